//! Exchanges, with a client of their own for SCRAM.

use std::{
    fs,
    sync::Mutex,
    time::{Duration, Instant},
};

use aws_lc_rs::{digest, hmac, pbkdf2};
use tempfile::TempDir;

use super::*;
use crate::{Credential, Iterations, NewUser, Options, StoredHash, Tags};

/// The fewest: the tests are of the messages, not of the rounds.
fn few() -> Iterations {
    Iterations::new(Iterations::MIN).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

struct Site {
    directory: TempDir,
    context: Context,
    now: Arc<Mutex<Instant>>,
}

impl Site {
    /// With SCRAM, the user `ada` of the password `pencil`, and a login without proof for `nobody`.
    fn new() -> Site {
        let options = Options { scram: Some(few()), anonymous_user: Some("nobody".to_owned()) };
        let site = Site::with(tempfile::tempdir().unwrap(), options);
        site.users().settle_scram().unwrap();
        site.users().add("ada", &secret("pencil")).unwrap();
        site
    }

    fn with(directory: TempDir, options: Options) -> Site {
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = {
            let now = now.clone();
            Arc::new(move || *now.lock().unwrap())
        };
        let users = Users::open_with_clock(directory.path().join("users.json"), clock).unwrap();
        let users = Arc::new(users.with_options(options));
        let peer = Peer::Address("192.0.2.1".parse().unwrap());
        Site { directory, context: Context { users, peer, certificate: None }, now }
    }

    /// The same, after a restart.
    fn again(self, options: Options) -> Site {
        Site::with(self.directory, options)
    }

    fn users(&self) -> &Users {
        &self.context.users
    }

    fn file(&self) -> String {
        fs::read_to_string(self.directory.path().join("users.json")).unwrap()
    }

    fn from(&self, address: &str) -> Context {
        Context {
            peer: Peer::from(address.parse::<std::net::IpAddr>().unwrap()),
            ..self.context.clone()
        }
    }

    fn start(&self, mechanism: &str) -> Exchange {
        Exchange::start(mechanism, &offered(&self.context), self.context.clone()).ok().unwrap()
    }

    fn plain(&self, response: &[u8]) -> Step {
        said(&mut self.start("PLAIN"), response)
    }

    fn scram(&self, name: &str, password: &str) -> Step {
        scram(self.context.clone(), Hash::Sha256, name, password)
    }
}

/// A step, and the check if it wants one.
fn said(exchange: &mut Exchange, response: &[u8]) -> Step {
    match exchange.step(Some(response)) {
        Step::Check(check) => exchange.resume(check.run()),
        step => step,
    }
}

fn challenge(step: Step) -> String {
    match step {
        Step::Challenge(octets) => String::from_utf8(octets).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn failure(step: Step) -> Failure {
    match step {
        Step::Failure(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn success(step: Step) -> Success {
    match step {
        Step::Success(success) => success,
        other => panic!("{other:?}"),
    }
}

/// A client's last message, and the signature that it expects.
fn proof(hash: Hash, password: &str, bare: &str, challenge: &str) -> (String, String) {
    let mut parts = challenge.split(',').map(|part| &part[2..]);
    let (nonce, salt, rounds) =
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let salt = BASE64_STANDARD.decode(salt).unwrap();
    let (pbkdf2_of, hmac_of, digest_of) = match hash {
        Hash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256),
        Hash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512),
    };
    let sign = |key: &[u8], octets: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac_of, key), octets).as_ref().to_vec()
    };
    let mut salted = vec![0; digest_of.output_len()];
    pbkdf2::derive(pbkdf2_of, rounds.parse().unwrap(), &salt, password.as_bytes(), &mut salted);
    let client_key = sign(&salted, b"Client Key");
    let without_proof = format!("c=biws,r={nonce}");
    let message = format!("{bare},{challenge},{without_proof}");
    let signature = sign(digest::digest(digest_of, &client_key).as_ref(), message.as_bytes());
    let proof: Vec<u8> =
        client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
    let expected = sign(&sign(&salted, b"Server Key"), message.as_bytes());
    (
        format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
        format!("v={}", BASE64_STANDARD.encode(expected)),
    )
}

/// A whole login. The server's signature is checked.
fn scram(context: Context, hash: Hash, name: &str, password: &str) -> Step {
    let mut exchange = Exchange::start(hash.mechanism(), &offered(&context), context).ok().unwrap();
    let bare = format!("n={name},r=abcdefgh");
    let challenge = match said(&mut exchange, format!("n,,{bare}").as_bytes()) {
        Step::Challenge(octets) => String::from_utf8(octets).unwrap(),
        verdict => return verdict,
    };
    let (last, expected) = proof(hash, password, &bare, &challenge);
    let step = said(&mut exchange, last.as_bytes());
    if let Step::Success(success) = &step {
        assert_eq!(success.additional_data.as_deref(), Some(expected.as_bytes()));
    }
    step
}

/// A file of format 3, whose verifiers are of RFC 7677's example (SHA-512's computed with Python's
/// hashlib).
const GOLDEN: &str = include_str!("../../tests/golden/users-3.json");

#[test]
fn the_example_of_the_rfc_is_answered_as_there() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("users.json"), GOLDEN).unwrap();
    let options = Options { scram: Some(few()), ..Options::default() };
    let site = Site::with(directory, options);
    for (hash, proof, signature) in [
        (
            Hash::Sha256,
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
        (
            Hash::Sha512,
            "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
            "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
        ),
    ] {
        let mut exchange = site.start(hash.mechanism());
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let step = exchange.challenge_with(hash, first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let expected = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(challenge(step), expected);
        let success =
            success(said(&mut exchange, format!("c=biws,r={nonce},p={proof}").as_bytes()));
        assert_eq!(success.user.name, "user");
        assert_eq!(success.additional_data, Some(format!("v={signature}").into_bytes()));
    }
    // Written again it is the same to the byte.
    site.users().set_tags("user", Tags::parse("ops").unwrap()).unwrap();
    assert_ne!(site.file(), GOLDEN);
    site.users().set_tags("user", Tags::default()).unwrap();
    assert_eq!(site.file(), GOLDEN);
}

#[test]
fn what_is_offered_is_what_can_be_used_with_the_best_first() {
    let site = Site::new();
    let names = |context: &Context| {
        offered(context).iter().map(|it| it.name()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&site.context), "SCRAM-SHA-512 SCRAM-SHA-256 PLAIN ANONYMOUS");
    let certified = Context { certificate: Some(Ok("ci".to_owned())), ..site.context.clone() };
    assert_eq!(names(&certified), "EXTERNAL SCRAM-SHA-512 SCRAM-SHA-256 PLAIN ANONYMOUS");
    let site = site.again(Options::default());
    assert_eq!(names(&site.context), "PLAIN");
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "ANONYMOUS", "plain", "", "EXTERNAL"] {
        let refused = Exchange::start(mechanism, &offered(&site.context), site.context.clone());
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("not offered") || said.contains("showed none"), "{said}");
    }
}

#[test]
fn a_user_logs_in_with_either_hash_and_a_wrong_password_is_refused_as_a_wrong_name() {
    let site = Site::new();
    for hash in [Hash::Sha256, Hash::Sha512] {
        let step = scram(site.context.clone(), hash, "ada", "pencil");
        assert_eq!(success(step).user, site.users().get("ada").unwrap());
        for (name, password) in [("ada", "wrong"), ("nobody at all", "pencil")] {
            let failure = failure(scram(site.context.clone(), hash, name, password));
            assert_eq!(failure.server_error().map(ServerError::word), Some("invalid-proof"));
            assert!(failure.to_string().contains("no such user, or another password"), "{failure}");
        }
    }
}

#[test]
fn a_name_is_found_however_it_is_written_and_encoded() {
    let site = Site::new();
    site.users().add("a,b=\u{fc}", &secret("I\u{ad}X")).unwrap();
    for name in ["a=2Cb=3D\u{fc}", "a=2Cb=3Du\u{308}"] {
        assert_eq!(success(site.scram(name, "IX")).user.name, "a,b=\u{fc}");
    }
}

#[test]
fn a_challenge_tells_nothing_of_who_is_a_user_not_even_after_a_restart() {
    let options = Options { scram: Some(few()), ..Options::default() };
    let site = Site::new();
    let no_password =
        NewUser { credential: Credential::NoPassword, tags: Tags::default(), default_access: true };
    site.users().create("ci", &no_password).unwrap();
    let asked = |site: &Site, name: &str| {
        let mut exchange = site.start("SCRAM-SHA-256");
        let said = challenge(said(&mut exchange, format!("n,,n={name},r=abc").as_bytes()));
        let (nonce, rest) = said.split_once(',').unwrap();
        (nonce.to_owned(), rest.to_owned())
    };
    let names = ["ada", "ci", "eve"];
    let first = names.map(|name| asked(&site, name));
    let second = names.map(|name| asked(&site, name));
    let site = site.again(options);
    let third = names.map(|name| asked(&site, name));
    for ((first, second), third) in first.iter().zip(&second).zip(&third) {
        assert_ne!(first.0, second.0, "a nonce is used once");
        assert_eq!((first.1.as_str(), first.1.as_str()), (second.1.as_str(), third.1.as_str()));
        assert_eq!(first.1.len(), third.1.len());
        assert!(first.1.ends_with(",i=12000"), "{}", first.1);
    }
    assert_ne!(first[0].1, first[2].1);
}

#[test]
fn what_a_client_says_wrong_is_refused_with_the_rfcs_word_and_ends_the_exchange() {
    let site = Site::new();
    let begin = || {
        let mut exchange = site.start("SCRAM-SHA-256");
        let challenge = challenge(said(&mut exchange, b"n,,n=ada,r=abc"));
        let (last, _) = proof(Hash::Sha256, "pencil", "n=ada,r=abc", &challenge);
        (exchange, last)
    };
    let (_, of_another) = begin();
    type Mend = fn(&str) -> String;
    let cases: [(Mend, Option<&str>); 10] = [
        (|_| String::new(), Some("invalid-encoding")),
        (|last| last[..last.len() - 1].to_owned(), Some("invalid-encoding")),
        (|last| last.replace("c=biws", "c=!"), Some("invalid-encoding")),
        // Of "y,,", and of "n,," with data behind it.
        (|last| last.replace("c=biws", "c=eSws"), Some("channel-bindings-dont-match")),
        (|last| last.replace("c=biws", "c=biwseA=="), Some("channel-bindings-dont-match")),
        (|last| last.replace("r=abc", "r=abd"), Some("other-error")),
        (|last| last.replace("r=abc", "r="), Some("other-error")),
        (|last| format!("{},p=AAEC", last.split_once(",p=").unwrap().0), Some("invalid-proof")),
        (|last| format!("{},p=", last.split_once(",p=").unwrap().0), Some("invalid-proof")),
        (|last| format!("{last}{}", "A".repeat(4096)), None),
    ];
    for (number, (mend, word)) in cases.into_iter().enumerate() {
        let (mut exchange, last) = begin();
        let failure = failure(said(&mut exchange, mend(&last).as_bytes()));
        assert_eq!(failure.server_error().map(ServerError::word), word, "{number}: {failure}");
        let after = exchange.step(Some(last.as_bytes()));
        assert!(matches!(after, Step::Failure(Failure::OutOfTurn)), "{number}: {after:?}");
    }
    // A proof is of one exchange.
    let (mut exchange, last) = begin();
    let replayed = failure(said(&mut exchange, of_another.as_bytes()));
    assert!(replayed.to_string().contains("nonce"), "{replayed}");
    let mut exchange = site.start("SCRAM-SHA-256");
    challenge(said(&mut exchange, b"n,,n=ada,r=abc"));
    failure(said(&mut exchange, last.as_bytes()));
    // Every octet of a right one counts.
    let (mut exchange, last) = begin();
    let mut octets = last.into_bytes();
    let at = octets.len() - 10;
    octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
    failure(said(&mut exchange, &octets));
}

#[test]
fn nobody_acts_as_another_and_nothing_binds_to_the_channel() {
    let site = Site::new();
    let first = |message: &[u8]| said(&mut site.start("SCRAM-SHA-256"), message);
    assert!(challenge(first(b"n,a=ada,n=ada,r=abc")).starts_with("r=abc"));
    assert!(challenge(first(b"y,,n=ada,r=abc")).starts_with("r=abc"));
    let acting = failure(first(b"n,a=root,n=ada,r=abc")).to_string();
    assert!(acting.contains("'ada'") && acting.contains("'root'"), "{acting}");
    let bound = failure(first(b"p=tls-exporter,,n=ada,r=abc"));
    assert_eq!(bound.server_error().map(ServerError::word), Some("channel-binding-not-supported"));
    let acting = failure(site.plain(b"root\0ada\0pencil")).to_string();
    assert!(acting.contains("'root'"), "{acting}");
    let vouched = Context { certificate: Some(Ok("ada".to_owned())), ..site.context.clone() };
    let external = |response: &[u8]| {
        let offered = offered(&vouched);
        said(&mut Exchange::start("EXTERNAL", &offered, vouched.clone()).ok().unwrap(), response)
    };
    assert_eq!(success(external(b"")).user.name, "ada");
    assert_eq!(success(external(b"ada")).user.name, "ada");
    failure(external(b"root"));
    failure(external(b"\xff"));
}

#[test]
fn an_exchange_that_began_without_a_response_asks_for_it_unless_none_is_needed() {
    let site = Site::new();
    let mut exchange = site.start("PLAIN");
    assert_eq!(challenge(exchange.step(None)), "");
    assert_eq!(success(said(&mut exchange, b"\0ada\0pencil")).user.name, "ada");
    let mut exchange = site.start("SCRAM-SHA-512");
    assert_eq!(challenge(exchange.step(None)), "");
    assert!(challenge(said(&mut exchange, b"n,,n=ada,r=abc")).starts_with("r=abc"));
    assert!(matches!(exchange.step(None), Step::Failure(Failure::OutOfTurn)));
    let named = failure(site.start("ANONYMOUS").step(None)).to_string();
    assert!(named.contains("tubepost user add 'nobody'"), "{named}");
    site.users().add("nobody", &secret("x")).unwrap();
    assert_eq!(success(site.start("ANONYMOUS").step(None)).user.name, "nobody");
    let trace = |response: &[u8]| said(&mut site.start("ANONYMOUS"), response);
    assert_eq!(success(trace(b"ada@example.org")).user.name, "nobody");
    failure(trace(b"\xff"));
    failure(trace("x".repeat(256).as_bytes()));
}

#[test]
fn failed_proofs_are_counted_with_failed_passwords() {
    let site = Site::new();
    for _ in 0..5 {
        failure(site.plain(b"\0ada\0wrong"));
        failure(site.scram("ada", "wrong"));
    }
    for step in [site.scram("ada", "pencil"), site.plain(b"\0ada\0pencil")] {
        let refused = failure(step);
        assert!(matches!(refused, Failure::Refused(Refused::TooManyFailures { .. })), "{refused}");
    }
    success(scram(site.from("192.0.2.2"), Hash::Sha256, "ada", "pencil"));
    *site.now.lock().unwrap() += Duration::from_secs(6);
    success(site.scram("ada", "pencil"));
    // Forgiven by a right one.
    for _ in 0..10 {
        failure(site.scram("ada", "wrong"));
    }
    // A name that is nobody's is counted as well, or it would tell that it is nobody's.
    for _ in 0..10 {
        failure(site.scram("eve", "wrong"));
    }
    assert!(failure(site.scram("eve", "wrong")).to_string().contains("unseen"));
}

#[test]
fn proofs_that_were_all_asked_for_before_one_failed_are_not_all_looked_at() {
    let site = Site::new();
    let mut asked: Vec<_> = (0..30)
        .map(|_| {
            let mut exchange = site.start("SCRAM-SHA-256");
            let challenge = challenge(said(&mut exchange, b"n,,n=ada,r=abc"));
            (exchange, challenge)
        })
        .collect();
    let seen = asked.iter_mut().filter_map(|(exchange, challenge)| {
        let (last, _) = proof(Hash::Sha256, "wrong", "n=ada,r=abc", challenge);
        match failure(said(exchange, last.as_bytes())) {
            Failure::Proof { refused: Refused::Credentials { .. } } => Some(()),
            _ => None,
        }
    });
    assert_eq!(seen.count(), 10);
}

#[test]
fn a_password_that_changes_meanwhile_is_not_proved_by_the_old_one() {
    let site = Site::new();
    let before = success(site.scram("ada", "pencil")).user;
    let mut exchange = site.start("SCRAM-SHA-256");
    let challenge = challenge(said(&mut exchange, b"n,,n=ada,r=abc"));
    let (last, _) = proof(Hash::Sha256, "pencil", "n=ada,r=abc", &challenge);
    site.users().set_password("ada", &secret("other")).unwrap();
    failure(said(&mut exchange, last.as_bytes()));
    failure(site.scram("ada", "pencil"));
    assert!(matches!(site.users().recheck(&before), crate::Recheck::Ended(_)));
    success(site.scram("ada", "other"));
    site.users().clear_password("ada").unwrap();
    failure(site.scram("ada", "other"));
    assert!(!site.file().contains("SCRAM-SHA"));
}

#[test]
fn who_came_with_a_hash_has_scram_after_the_first_login_with_the_password() {
    let site = Site::new();
    let imported = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let new = NewUser {
        credential: Credential::Hash(StoredHash::parse(imported, None).unwrap()),
        tags: Tags::default(),
        default_access: true,
    };
    site.users().create("bob", &new).unwrap();
    let refused = failure(site.scram("bob", "test12"));
    assert!(refused.to_string().contains("after a login with PLAIN"), "{refused}");
    assert_eq!(refused.server_error().map(ServerError::word), Some("invalid-proof"));
    let plain = success(site.plain(b"\0bob\0test12")).user;
    let proved = success(site.scram("bob", "test12")).user;
    assert_eq!(plain, proved, "nothing that ends a connection has happened");
    assert_eq!(site.users().recheck(&plain), crate::Recheck::Same);
    assert!(!site.file().contains(imported));
}

#[test]
fn other_rounds_are_taken_over_at_the_next_password_and_without_scram_nothing_is_kept() {
    let site = Site::new();
    assert!(site.file().contains("\"format\": 3") && site.file().contains("SCRAM-SHA-256$12000:"));
    let more = Iterations::new(20_000).unwrap();
    let site = site.again(Options { scram: Some(more), ..Options::default() });
    success(site.plain(b"\0ada\0pencil"));
    let file = site.file();
    assert!(
        file.contains("SCRAM-SHA-256$20000:") && file.contains("SCRAM-SHA-512$7000:"),
        "{file}"
    );
    success(site.scram("ada", "pencil"));
    let site = site.again(Options::default());
    success(site.plain(b"\0ada\0pencil"));
    assert_eq!(site.file(), file, "until a server says so");
    site.users().settle_scram().unwrap();
    // What a version that does not know SCRAM reads.
    assert!(site.file().contains("\"format\": 2") && !site.file().contains("scram"));
    success(site.plain(b"\0ada\0pencil"));
    assert!(!site.file().contains("scram"));
}

#[test]
fn the_built_in_guest_logs_in_from_this_machine_only() {
    let site = Site::new();
    let guest =
        |address: &str, password| scram(site.from(address), Hash::Sha512, "guest", password);
    assert!(failure(guest("192.0.2.7", "guest")).to_string().contains("this machine only"));
    failure(guest("127.0.0.1", "wrong"));
    assert_eq!(success(guest("127.0.0.1", "guest")).user.origin, crate::Origin::BuiltIn);
    site.users().add("guest", &secret("mine")).unwrap();
    failure(guest("127.0.0.1", "guest"));
    success(guest("192.0.2.7", "mine"));
    // The services' account has no SCRAM.
    let (name, password) = site.users().service_login();
    failure(site.scram(name, password.expose()));
}

#[test]
fn a_password_that_another_mechanism_carried_is_checked_the_same() {
    let site = Site::new();
    let login = |password: &[u8]| {
        let (mut exchange, step) = Exchange::of_password("ada", password, site.context.clone());
        match step {
            Step::Check(check) => {
                assert!(matches!(exchange.step(Some(b"x")), Step::Failure(Failure::OutOfTurn)));
                let (mut exchange, step) =
                    Exchange::of_password("ada", password, site.context.clone());
                drop(check);
                let Step::Check(check) = step else { panic!("{step:?}") };
                exchange.resume(check.run())
            }
            step => step,
        }
    };
    assert!(matches!(failure(login(b"wrong")), Failure::Refused(_)));
    assert!(matches!(failure(login(b"\xff")), Failure::Password));
    assert_eq!(success(login(b"pencil")).user.name, "ada");
}

#[test]
fn nothing_of_a_login_is_shown() {
    let site = Site::new();
    let step = site.start("PLAIN").step(Some(b"\0ada\0hunter2"));
    assert_eq!(format!("{step:?}"), "Check(Check)");
    assert!(!site.file().contains("pencil"));
}

/// What fuzzing has found and was given to begin with, as its target runs it: a digit for the
/// mechanism, and a message in each line, in which `$` is the challenge's nonce.
#[test]
fn what_fuzzing_was_given_gets_nobody_in() {
    let site = Site::new();
    let context = Context { peer: Peer::Remote, ..site.context.clone() };
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/scram");
    let mut replayed = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        let octets = fs::read(file.unwrap().path()).unwrap();
        let Some((&number, messages)) = octets.split_first() else { continue };
        let mechanism = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"][usize::from(number % 3)];
        let offered = offered(&context);
        let mut exchange = Exchange::start(mechanism, &offered, context.clone()).ok().unwrap();
        let mut nonce = Vec::new();
        for message in messages.split(|octet| *octet == b'\n') {
            let message =
                message.split(|octet| *octet == b'$').collect::<Vec<_>>().join(&nonce[..]);
            match exchange.step(Some(&message)) {
                Step::Challenge(challenge) => {
                    assert!(challenge.len() <= 400 && challenge.is_ascii());
                    nonce = challenge[2..].split(|octet| *octet == b',').next().unwrap().to_vec();
                }
                Step::Success(success) => panic!("{:?}", success.user),
                // A password's hash takes its time.
                Step::Check(_) => break,
                Step::Failure(failure) => assert!(!failure.to_string().is_empty()),
            }
        }
        replayed += 1;
    }
    assert!(replayed >= 20, "{replayed} files in {}", corpus.display());
}
