use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Tls;

/// TLS that trusts the machine's certificate authorities and the extra ones, and always verifies; `None` when it is off.
/// `direct`: TLS from the first byte (PostgreSQL 17), which needs the protocol's name (ALPN).
pub(crate) fn connector(tls: &Tls, direct: bool) -> Result<Option<MakeRustlsConnect>, String> {
    let Tls::Verified { extra_ca_pem } = tls else { return Ok(None) };
    let provider = Arc::new(ring::default_provider());
    let authorities = extra_ca_pem.as_deref().map_or_else(|| Ok(Vec::new()), authorities)?;
    let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider)).map_err(|e| e.to_string())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        // "dangerous" is rustls' word for any verifier that is not its own; this one verifies in full.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    if direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("the extra certificate authorities hold no certificate".to_owned()),
        Err(error) => Err(format!("the extra certificate authorities are not PEM certificates: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_authorities_are_refused_before_anything_is_sent() {
        for pem in [b"no pem".as_slice(), b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            let tls = Tls::Verified { extra_ca_pem: Some(pem.to_vec()) };
            assert!(connector(&tls, false).err().unwrap().contains("certificate authorities"));
        }
        assert!(connector(&Tls::Off, false).unwrap().is_none());
    }
}
