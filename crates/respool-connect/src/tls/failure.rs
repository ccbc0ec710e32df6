use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription as Alert, CertificateError, Error as Cause};

use super::TlsSettings;

/// Why TLS failed, in the words of this library's settings.
#[derive(Clone, Debug)]
pub(crate) struct TlsFailure {
    words: String,
    /// Whether it would fail again until somebody changes something.
    pub(crate) is_lasting: bool,
    cause: Option<Cause>,
}

impl TlsFailure {
    pub(crate) fn speaks_no_tls() -> Self {
        TlsFailure {
            words: SPEAKS_NO_TLS.to_owned(),
            is_lasting: true,
            cause: None,
        }
    }

    /// What `cause` means. `has_greeted`: the server has shown before that it speaks TLS.
    pub(super) fn new(cause: Cause, settings: &TlsSettings, has_greeted: bool) -> Self {
        let words = match &cause {
            Cause::InvalidCertificate(error) => Some(wrong_certificate(error, settings)),
            Cause::AlertReceived(alert) => refused_by_alert(*alert, settings),
            Cause::PeerIncompatible(_) => Some(format!("{NOTHING_IN_COMMON} ({cause})")),
            Cause::InvalidMessage(_) if !has_greeted => Some(SPEAKS_NO_TLS.to_owned()),
            _ => None,
        };
        TlsFailure {
            is_lasting: words.is_some(),
            words: words.unwrap_or_else(|| format!("TLS: {cause}")),
            cause: Some(cause),
        }
    }
}

const SPEAKS_NO_TLS: &str =
    "the server speaks no TLS on this port; give that of its tls-port, or use redis://";

const NOTHING_IN_COMMON: &str = "the server has no version or cipher of TLS in common with us";

fn wrong_certificate(error: &CertificateError, settings: &TlsSettings) -> String {
    use CertificateError::*;
    let name = settings.server_name.to_str();
    match error {
        UnknownIssuer | BadSignature if settings.trusts_own_ca => {
            "the server's certificate was issued by none of the CAs in tls_ca".to_owned()
        }
        UnknownIssuer | BadSignature => {
            "the server's certificate was issued by no CA that this machine trusts; give its CA as \
             tls_ca"
                .to_owned()
        }
        NotValidForName | NotValidForNameContext { .. } => format!(
            "the server's certificate is not for the name {name}; give the name that it is for as \
             tls_server_name ({error})"
        ),
        Expired | ExpiredContext { .. } => {
            format!("the server's certificate has expired ({error})")
        }
        NotValidYet | NotValidYetContext { .. } => format!(
            "the server's certificate is not valid yet; is the clock of this machine right? ({error})"
        ),
        _ => format!("the server's certificate is not acceptable ({error})"),
    }
}

/// What the server means by `alert`, if it would say the same again.
fn refused_by_alert(alert: Alert, settings: &TlsSettings) -> Option<String> {
    match alert {
        // TLS 1.2 has no word of its own for it.
        Alert::CertificateRequired | Alert::HandshakeFailure if !settings.shows_certificate => {
            Some("the server asks for a client certificate; give tls_cert and tls_key".to_owned())
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError
            if settings.shows_certificate =>
        {
            Some(format!(
                "the server refused the certificate of tls_cert ({alert:?})"
            ))
        }
        Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::HandshakeFailure => {
            Some(format!("{NOTHING_IN_COMMON} ({alert:?})"))
        }
        Alert::UnrecognisedName => Some(format!(
            "the server doesn't go by the name {}; give another as tls_server_name",
            settings.server_name.to_str()
        )),
        _ => None,
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for TlsFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl From<TlsFailure> for io::Error {
    fn from(failure: TlsFailure) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, failure)
    }
}
