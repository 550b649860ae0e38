//! Keys in certificates that an authority issued, as OpenSSL makes them.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that panics has failed")]

use std::{fs, path::Path, process::Command, time::Duration};

use event::{Doubt, Event, SigningKey, Verdict, Verifier};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519, date_time_ymd,
};
use serde_json::json;

fn event(sent_at: &str) -> Event {
    let mut event = Event::new("org.example.door.open".parse().unwrap(), json!({})).unwrap();
    event.sent_at = Some(sent_at.parse().unwrap());
    event
}

/// What the verifier makes of an event that the key signed then.
fn judged(verifier: &Verifier, key: &SigningKey, sent_at: &str) -> Result<(), Doubt> {
    let mut event = event(sent_at);
    key.sign(&mut event).unwrap();
    match verifier.verify(&event) {
        Verdict::Valid { .. } => Ok(()),
        Verdict::Invalid { doubt, .. } => Err(doubt),
        Verdict::Unsigned => panic!("it is signed"),
    }
}

/// Runs `openssl` with words of a line; false when there is none that can.
fn openssl(home: &Path, line: &str) -> bool {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(home).output();
    let done = output.as_ref().is_ok_and(|output| output.status.success());
    if !done {
        eprintln!("openssl {line}: {output:?}");
    }
    done
}

const ROOT: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
                    -subj /CN=root -keyout root.key -out root.pem";
const MIDDLE: &str = "req -x509 -newkey rsa:2048 -nodes -days 20 -subj /CN=middle -CA root.pem \
                      -CAkey root.key -keyout middle.key -out middle.pem \
                      -addext basicConstraints=critical,CA:TRUE";
const HALL: &str = "req -x509 -newkey ed25519 -nodes -days 10 -subj /CN=hall -CA middle.pem \
                    -CAkey middle.key -keyout hall.key -out hall.pem \
                    -addext basicConstraints=critical,CA:FALSE \
                    -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth";

#[test]
fn a_chain_of_openssl_is_followed_to_the_authority() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let other = ROOT.replace("root", "other");
    if ![ROOT, &other, MIDDLE, HALL].iter().all(|line| openssl(home, line)) {
        return eprintln!("skipped: no openssl 3 to make certificates with");
    }
    let read = |name: &str| fs::read_to_string(home.join(name)).unwrap();
    let key = SigningKey::from_pem("hall", &read("hall.key")).unwrap();
    let (leaf, middle, root) = (read("hall.pem"), read("middle.pem"), read("root.pem"));
    let trusting = |authorities: &str, id: &str, pem: &str| {
        let mut verifier = Verifier::default();
        verifier.trust_authorities(authorities).unwrap();
        verifier.add(id, pem).map(|()| verifier).map_err(|error| error.to_string())
    };

    let verifier = trusting(&root, "hall", &format!("{leaf}{middle}")).unwrap();
    let day = |days: i64| (Timestamp::now() + Duration::from_secs(60)).as_second() + days * 86_400;
    let sent = |days| Timestamp::from_second(day(days)).unwrap().to_string();
    assert_eq!(judged(&verifier, &key, &sent(0)), Ok(()));
    assert_eq!(judged(&verifier, &key, &sent(9)), Ok(()));
    for days in [-1, 11] {
        let doubt = judged(&verifier, &key, &sent(days));
        assert!(matches!(doubt, Err(Doubt::Certificate { .. })), "{days}: {doubt:?}");
    }
    // One that issued it is enough, with no need for the root.
    assert!(trusting(&middle, "hall", &leaf).is_ok());
    // A raw key stays trusted, whatever issues certificates.
    assert!(trusting(&root, "hall", &key.public_pem()).is_ok());

    for (authorities, id, pem, reason) in [
        (&root, "hall", &leaf, "no trusted authority vouches for its certificate: UnknownIssuer"),
        (&read("other.pem"), "hall", &format!("{leaf}{middle}"), "UnknownIssuer"),
        (&root, "gate", &format!("{leaf}{middle}"), "its certificate is for another name"),
        (&root, "hall", &format!("{leaf}{}", middle.repeat(9)), "more than 8 certificates"),
    ] {
        let error = trusting(authorities, id, pem).unwrap_err();
        assert!(error.starts_with(&format!("key '{id}': ")) && error.contains(reason), "{error}");
    }
    // Somebody who has a certificate is no authority.
    let gate = HALL.replace("hall", "gate").replace("middle", "hall");
    if openssl(home, &gate) {
        let chain = format!("{}{leaf}{middle}", read("gate.pem"));
        let error = trusting(&root, "gate", &chain).unwrap_err();
        assert!(error.contains("vouches for"), "{error}");
    }
    let none = Verifier::default().trust_authorities("").unwrap_err().to_string();
    assert!(none.contains("key 'authorities': there is no"), "{none}");
}

/// An authority that was renewed under its name: what was signed under the old one stays valid, as
/// what is signed under the new one is, and between them nothing was.
#[test]
fn a_path_holds_when_all_of_it_does() {
    let root_key = KeyPair::generate().unwrap();
    let authority = |name: &str, from: (i32, u8), to: (i32, u8)| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(from.0, from.1, 1);
        params.not_after = date_time_ymd(to.0, to.1, 1);
        params
    };
    let root = authority("root", (2020, 1), (2040, 1));
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let middle_key = KeyPair::generate().unwrap();
    let old = authority("middle", (2025, 1), (2026, 3));
    let new = authority("middle", (2026, 5), (2028, 1));
    let old_pem = old.signed_by(&middle_key, &root).unwrap().pem();
    let new_pem = new.signed_by(&middle_key, &root).unwrap().pem();
    let middle = Issuer::new(new, middle_key);
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(vec!["hall".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    let leaf = params.signed_by(&pair, &middle).unwrap().pem();

    let key = SigningKey::from_pem("hall", &pair.serialize_pem()).unwrap();
    for chain in [format!("{leaf}{old_pem}{new_pem}"), format!("{leaf}{new_pem}{old_pem}")] {
        let mut verifier = Verifier::default();
        verifier.trust_authorities(&root_pem).unwrap();
        verifier.add("hall", &chain).unwrap();
        for (sent_at, holds) in [
            ("2025-12-31T12:00:00Z", false),
            ("2026-02-01T12:00:00Z", true),
            ("2026-04-01T12:00:00Z", false),
            ("2026-06-01T12:00:00Z", true),
            ("2027-06-01T12:00:00Z", false),
        ] {
            assert_eq!(judged(&verifier, &key, sent_at).is_ok(), holds, "{sent_at}");
        }
    }
}
