//! What the program `client` does with the dates of a server's certificate.

use std::{env, fs, path::PathBuf, process};

use lwm2m_examples::secure::credentials::OwnCertificate;

use crate::{
    certified::Certified,
    support::{client, server},
};

/// Certificates and keys in files, which go with it.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("lwm2m-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Where a certificate and its key are.
    pub(crate) fn write(&self, name: &str, own: &OwnCertificate) -> [String; 2] {
        [("der", &own.certificate), ("key", &own.private_key)].map(|(extension, bytes)| {
            let file = self.0.join(name).with_extension(extension);
            fs::write(&file, bytes).unwrap();
            file.to_str().unwrap().to_owned()
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_server_s_expired_certificate_is_refused_if_the_operator_says_so() {
    let files = Files::new("expiry");
    let expired = Certified::new("127.0.0.1").valid(["200101000000Z", "201231235959Z"]);
    let [of_server, key_of_server] = files.write("server", &expired.make());
    let [own, own_key] = files.write("client", &Certified::new("me").make());
    let (mut server, _) = server(&[
        "--listen-secure",
        "127.0.0.1:0",
        "--certificate",
        &of_server,
        "--private-key",
        &key_of_server,
        "--client-certificate",
        &own,
    ]);
    let uri = server
        .expect("listening coaps://")
        .replace("listening ", "");
    let arguments = [
        "--server",
        &uri,
        "--certificate",
        &own,
        "--private-key",
        &own_key,
        "--server-certificate",
        &of_server,
    ];
    let mut strict = client(&[&arguments[..], &["--refuse-expired"]].concat());
    let told = strict.expect("error ");
    assert!(told.contains("the certificate has expired"), "{told}");
    drop(strict);
    client(&arguments).expect("registered 101 /rd/");
    server.expect("registered me /rd/");
}
