mod failure;
mod settings;
mod stream;

pub(crate) use failure::TlsFailure;
pub(crate) use settings::TlsSettings;
pub(crate) use stream::TlsStream;
