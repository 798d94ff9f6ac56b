//! Certificates and keys from files, made ready for the TLS library.

use crate::{OpenError, Tls};
use native_tls::{Certificate, Identity, Protocol, TlsConnector};
use std::path::Path;

/// How a private key's file begins that the TLS library takes.
const PKCS8: &str = "-----BEGIN PRIVATE KEY-----";

/// Reads what `tls` names. A configured authority is trusted alone: a broker of one's own is not
/// to be impersonated by whoever gets a certificate from a public one.
pub(crate) fn connector(tls: &Tls) -> Result<TlsConnector, OpenError> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    if let Some(path) = &tls.ca {
        builder.disable_built_in_roots(true);
        for block in certificates(&read("broker's authority", path)?) {
            let certificate = Certificate::from_pem(block.as_bytes())
                .map_err(file("broker's authority", path))?;
            builder.add_root_certificate(certificate);
        }
    }
    match (&tls.cert, &tls.key) {
        (None, None) => {}
        (Some(cert), Some(key)) => {
            let cert_pem = read("client's certificate", cert)?;
            let key_pem = read("client's private key", key)?;
            if !key_pem.contains(PKCS8) {
                return Err(OpenError::KeyFormat { path: key.clone() });
            }
            let identity = Identity::from_pkcs8(cert_pem.as_bytes(), key_pem.as_bytes())
                .map_err(file("client's certificate", cert))?;
            builder.identity(identity);
        }
        (Some(path), None) | (None, Some(path)) => {
            return Err(OpenError::HalfIdentity { path: path.clone() });
        }
    }
    builder.build().map_err(|error| OpenError::TlsSetup {
        source: Box::new(error),
    })
}

/// Leaves out of OpenSSL's words what only its authors need:
/// `error:CODE:library:function:REASON:file:line:MORE`.
pub(crate) fn shortened(said: &str) -> String {
    let fields: Vec<&str> = said.splitn(8, ':').collect();
    let &["error", code, _, _, reason, _, line, more] = fields.as_slice() else {
        return said.to_owned();
    };
    if u64::from_str_radix(code, 16).is_err() || line.parse::<u32>().is_err() {
        return said.to_owned();
    }
    format!("{reason} {}", more.trim()).trim_end().to_owned()
}

fn read(what: &'static str, path: &Path) -> Result<String, OpenError> {
    std::fs::read_to_string(path).map_err(file(what, path))
}

fn file<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::TlsFile {
        what,
        path,
        source: Box::new(error),
    }
}

/// Splits a bundle: the library reads only the first certificate of a text. A text without any is
/// given back whole, so that the library says what is wrong with it.
fn certificates(pem: &str) -> Vec<&str> {
    const END: &str = "-----END CERTIFICATE-----";
    let mut blocks = Vec::new();
    let mut rest = pem;
    while let Some(at) = rest.find(END) {
        let (block, after) = rest.split_at(at + END.len());
        blocks.push(block);
        rest = after;
    }
    if blocks.is_empty() {
        blocks.push(pem);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_bundle_is_split_and_nonsense_is_kept_to_be_refused() {
        let one = "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----";
        assert_eq!(certificates(one), vec![one]);
        assert_eq!(certificates(&format!("{one}\n{one}\n")).len(), 2);
        assert_eq!(certificates("nonsense"), vec!["nonsense"]);
    }

    #[test]
    fn of_the_librarys_words_the_reason_is_kept() {
        let verify = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889: (certificate has expired)";
        let alert = "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../ssl/record/rec_layer_s3.c:1605:SSL alert number 116";
        for (said, short) in [
            (
                verify,
                "certificate verify failed (certificate has expired)",
            ),
            (
                alert,
                "tlsv13 alert certificate required SSL alert number 116",
            ),
            ("error: a:b:c:d:e:f:g", "error: a:b:c:d:e:f:g"),
            ("connection reset", "connection reset"),
        ] {
            assert_eq!(shortened(said), short);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let tls = Tls {
            ca: Some(PathBuf::from("/nowhere/ca.pem")),
            ..Tls::default()
        };
        let error = connector(&tls).unwrap_err();
        assert_eq!(
            error.to_string(),
            "read the broker's authority in /nowhere/ca.pem"
        );
    }

    #[test]
    fn a_certificate_without_its_key_is_named() {
        let tls = Tls {
            cert: Some(PathBuf::from("/x/client.pem")),
            ..Tls::default()
        };
        let error = connector(&tls).unwrap_err();
        assert!(matches!(error, OpenError::HalfIdentity { .. }), "{error}");
    }

    #[test]
    fn a_key_of_the_old_kind_is_refused_with_the_cure() {
        let dir = std::env::temp_dir().join(format!("gorgon-broker-tls-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("key.pem");
        std::fs::write(&path, "-----BEGIN RSA PRIVATE KEY-----\n").unwrap();
        let tls = Tls {
            cert: Some(path.clone()),
            key: Some(path),
            ..Tls::default()
        };
        let error = connector(&tls).unwrap_err();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(matches!(error, OpenError::KeyFormat { .. }), "{error}");
        let hint = gorgon_process::exit::Hint::hint(&error).unwrap();
        assert!(hint.contains("openssl pkcs8 -topk8 -nocrypt"), "{hint}");
    }
}
