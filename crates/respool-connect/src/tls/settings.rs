use std::fs;
use std::path::Path;
use std::sync::Arc;

use redis::ConnectionAddr;
use respool_core::{PoolConfig, PoolError};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// What TLS to a server needs: whom to trust, whom to expect, what to show. Read once, so that no
/// connection fails later for a file.
pub(crate) struct TlsSettings {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
    pub(super) trusts_own_ca: bool,
    pub(super) shows_certificate: bool,
}

impl TlsSettings {
    /// The settings of `config`; `None` if it asks for no TLS.
    pub(crate) fn of(config: &PoolConfig) -> Result<Option<Arc<Self>>, PoolError> {
        let ConnectionAddr::TcpTls { host, .. } = config.endpoint.connection_info().addr() else {
            return Ok(None);
        };
        Ok(Some(Arc::new(TlsSettings {
            client: Arc::new(client(config)?),
            server_name: server_name(config.tls_server_name.as_deref(), host)?,
            trusts_own_ca: config.tls_ca.is_some(),
            shows_certificate: config.tls_cert.is_some(),
        })))
    }
}

fn client(config: &PoolConfig) -> Result<ClientConfig, PoolError> {
    let roots = match &config.tls_ca {
        Some(path) => roots_in(path)?,
        None => roots_of_this_machine()?,
    };
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| PoolError::config("url", error.to_string()))?
        .with_root_certificates(roots);
    match (&config.tls_cert, &config.tls_key) {
        (None, None) => Ok(client.with_no_client_auth()),
        (Some(certificate), Some(key)) => client
            .with_client_auth_cert(
                certificates("tls_cert", certificate)?,
                private_key("tls_key", key)?,
            )
            .map_err(|error| {
                PoolError::config(
                    "tls_key",
                    format!("it can't be used with tls_cert: {error}"),
                )
            }),
        (Some(_), None) => Err(PoolError::config(
            "tls_key",
            "it is missing: tls_cert can't be used without its private key",
        )),
        (None, Some(_)) => Err(PoolError::config(
            "tls_cert",
            "it is missing: tls_key can't be used without its certificate",
        )),
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, PoolError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls_ca", path)? {
        roots
            .add(certificate)
            .map_err(|error| PoolError::config("tls_ca", format!("{}: {error}", path.display())))?;
    }
    Ok(roots)
}

fn roots_of_this_machine() -> Result<RootCertStore, PoolError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some machines have one that can't be read among a hundred that can.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(PoolError::config(
            "tls_ca",
            "it is not set, and this machine trusts no CA itself; give the path of a PEM file",
        ));
    }
    Ok(roots)
}

fn certificates(field: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PoolError> {
    let refuse = |reason: String| PoolError::config(field, format!("{}: {reason}", path.display()));
    let bytes = fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    match certificates.is_empty() {
        true => Err(refuse("there is no certificate in it in PEM".to_owned())),
        false => Ok(certificates),
    }
}

fn private_key(field: &str, path: &Path) -> Result<PrivateKeyDer<'static>, PoolError> {
    let refuse = |reason: String| PoolError::config(field, format!("{}: {reason}", path.display()));
    let bytes = fs::read(path).map_err(|error| refuse(error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| refuse("there is no private key in it in PEM, or it is encrypted".to_owned()))
}

fn server_name(given: Option<&str>, host: &str) -> Result<ServerName<'static>, PoolError> {
    let (field, name) = match given {
        Some(name) => ("tls_server_name", name),
        None => ("url", host),
    };
    ServerName::try_from(name.to_owned()).map_err(|_| {
        PoolError::config(
            field,
            format!("{name:?} is no name that a certificate could be for"),
        )
    })
}
