//! The mailer against a real SMTP server: every way of protection and login, every kind of
//! refusal, and what a mail program makes of the mail.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail and say why")]

mod smtp;

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use event::{Description, Event, Severity};
use jiff::Timestamp;
use notify::{Destination, Failure, Mail, Mailer, Notice, Reason};
use smtp::{SmtpServer, config, make_certificate};

fn description() -> Description {
    Description {
        summary: "ada pushed to kernel (main): fix the scheduler".to_owned(),
        link: Some("https://git.example.org/kernel/c/1f2e3d".to_owned()),
        icon: None,
        app: "git".to_owned(),
        agent: Some("ada".to_owned()),
        people: vec!["ada".to_owned(), "grace".to_owned()],
        packages: vec!["kernel".to_owned()],
        object: Some("git/kernel".to_owned()),
        objects: vec!["git/kernel".to_owned()],
        text: Some("fix the scheduler".to_owned()),
        patch: Some("diff --git a/s.c b/s.c\n-\twake(a);\n+\twake(b);\n".to_owned()),
        severity: Severity::Info,
        schema: Some("git.receive".to_owned()),
    }
}

fn notice(id: &str, to: &str, description: Description) -> Notice {
    let topic = "org.example.git.receive".parse().unwrap();
    let mut event = Event::new(topic, serde_json::json!({})).unwrap();
    event.id = id.to_owned();
    Notice {
        event: Arc::new(event),
        description: Arc::new(description),
        more: Vec::new(),
        to: format!("mail:{to}").parse().unwrap(),
        reasons: vec![Reason {
            subscription: "kernel".to_owned(),
            pattern: "#".to_owned(),
            rule: None,
        }],
        received_at: Timestamp::now(),
    }
}

fn mail(port: u16, more: &str) -> Mail {
    config(port, more, &["ada@example.org"]).mail
}

fn mailer(port: u16, more: &str) -> Mailer {
    Mailer::new(&mail(port, more)).unwrap()
}

async fn deliver(mailer: &Mailer, id: &str, to: &str) -> Result<(), Failure> {
    mailer.deliver(&notice(id, to, description())).await
}

const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";

macro_rules! server {
    ($($argument:expr),* $(,)?) => {
        match SmtpServer::start(&[$($argument),*]).await {
            Some(server) => server,
            None => return,
        }
    };
}

#[tokio::test]
async fn a_mail_arrives_and_a_mail_program_reads_it() {
    let mut server = server!();
    let mailer = mailer(server.port, "");
    deliver(&mailer, "id-1", "Ada Lovelace <ada@example.org>").await.unwrap();
    let mail = server.mail().await;
    assert_eq!((mail.to(), &mail.0["from"]), (ADA, &"tubepost@example.org".into()));
    assert_eq!((&mail.0["tls"], &mail.0["defects"]), (&false.into(), &serde_json::json!([])));
    for (name, value) in [
        ("Subject", "[git] ada pushed to kernel (main): fix the scheduler"),
        ("From", "Tubepost <tubepost@example.org>"),
        ("To", "Ada Lovelace <ada@example.org>"),
        ("List-Id", "Tubepost events of git <git.example.org>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Tubepost-Id", "id-1"),
        ("X-Tubepost-Topic", "org.example.git.receive"),
        ("X-Tubepost-App", "git"),
        ("X-Tubepost-People", "ada, grace"),
        ("X-Tubepost-Packages", "kernel"),
    ] {
        assert_eq!(mail.header(name), Some(value), "{name}");
    }
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"));
    let html = mail.0["html"].as_str().unwrap();
    assert!(html.contains("<span class=\"add\">+\twake(b);"), "{html}");
    let body = mail.body();
    assert!(body.contains("\n+\twake(b);\n") && body.contains("  kernel (topic #)\n"), "{body}");
}

#[tokio::test]
async fn starttls_with_a_certificate_we_trust() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = make_certificate(directory.path());
    let mut server = server!("--tls", "starttls", "--cert", &cert, "--key", &key);
    let trusting = mailer(server.port, &format!("tls = 'starttls'\nca_file = '{cert}'"));
    deliver(&trusting, "1", ADA).await.unwrap();
    assert_eq!(server.mail().await.0["tls"], true);

    let distrusting = mailer(server.port, "tls = 'starttls'");
    let failure = deliver(&distrusting, "2", ADA).await.unwrap_err();
    let Failure::Away(reason) = &failure else { panic!("{failure:?}") };
    assert!(reason.contains("certificate") && reason.contains("ca_file"), "{reason}");
    assert!(server.stop().await.is_empty());
}

#[tokio::test]
async fn implicit_tls_with_a_certificate_we_trust() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = make_certificate(directory.path());
    let mut server = server!("--tls", "implicit", "--cert", &cert, "--key", &key);
    let trusting = mailer(server.port, &format!("tls = 'implicit'\nca_file = '{cert}'"));
    deliver(&trusting, "1", ADA).await.unwrap();
    assert_eq!(server.mail().await.0["tls"], true);

    let failure = deliver(&mailer(server.port, "tls = 'implicit'"), "2", ADA).await.unwrap_err();
    assert!(matches!(&failure, Failure::Away(reason) if reason.contains("ca_file")), "{failure:?}");
    assert!(server.stop().await.is_empty());
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_password_nor_mail() {
    let server = server!("--login", "tubepost:hunter2");
    let login = "tls = 'starttls'\nuser = 'tubepost'\npassword = 'hunter2'";
    let failure = deliver(&mailer(server.port, login), "1", ADA).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Away(reason) if reason.contains("STARTTLS")),
        "{failure:?}"
    );
    assert!(server.stop().await.is_empty());
}

#[tokio::test]
async fn login_by_plain_and_by_login() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let mut server = server!("--login", "tubepost:hunter2 ü", "--mechanism", mechanism);
        let right = mailer(server.port, "user = 'tubepost'\npassword = 'hunter2 ü'");
        deliver(&right, "1", ADA).await.unwrap();
        assert_eq!(server.mail().await.0["login"], "tubepost", "{mechanism}");

        let wrong = mailer(server.port, "user = 'tubepost'\npassword = 'letmein'");
        let failure = deliver(&wrong, "2", ADA).await.unwrap_err();
        let Failure::Away(reason) = &failure else { panic!("{failure:?}") };
        assert!(reason.contains("login of 'tubepost'") && reason.contains("535"), "{reason}");
        assert!(!format!("{reason}{wrong:?}{right:?}").contains("letmein"));

        // The server's 530: it is the settings that are wrong, no mail is refused for it.
        let failure = deliver(&mailer(server.port, ""), "3", ADA).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Away(r) if r.contains("notify.mail.user")),
            "{failure}"
        );
        assert!(server.stop().await.is_empty());
    }
}

#[tokio::test]
async fn an_address_that_is_put_off_is_taken_later_on_the_same_connection() {
    let faults = r#"[{"stage": "rcpt", "match": "ada", "times": 1, "reply": "450 4.2.0 greylisted"},
                     {"stage": "data", "match": "ada", "times": 1, "reply": "451 4.3.0 later"}]"#;
    let mut server = server!("--faults", faults);
    let mailer = mailer(server.port, "");
    for code in ["450", "451"] {
        let failure = deliver(&mailer, "1", ADA).await.unwrap_err();
        assert!(matches!(&failure, Failure::Deferred(r) if r.contains(code)), "{failure:?}");
    }
    deliver(&mailer, "2", GRACE).await.unwrap();
    deliver(&mailer, "1", ADA).await.unwrap();
    let (first, second) = (server.mail().await, server.mail().await);
    assert_eq!((first.to(), second.to()), (GRACE, ADA));
    assert_eq!((&first.0["session"], &second.0["session"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn a_refused_address_is_refused_for_good_and_alone() {
    let faults = r#"[{"stage": "rcpt", "match": "ada", "reply": "550 5.1.1 no such user"},
                     {"stage": "data", "match": "spam", "reply": "554 5.7.1 spam"}]"#;
    let mut server = server!("--faults", faults);
    let mailer = mailer(server.port, "");
    let failure = deliver(&mailer, "1", ADA).await.unwrap_err();
    assert!(matches!(&failure, Failure::Bounced(r) if r.contains("550")), "{failure:?}");
    let failure = deliver(&mailer, "1", "spam@example.org").await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(r) if r.contains("554")), "{failure:?}");
    deliver(&mailer, "1", GRACE).await.unwrap();
    assert_eq!(server.mail().await.to(), GRACE);
    assert!(server.stop().await.is_empty());
}

#[tokio::test]
async fn a_refused_sender_is_a_wrong_setting_and_refuses_no_mail() {
    let server = server!("--faults", r#"[{"stage": "mail", "reply": "553 5.7.1 not you"}]"#);
    let failure = deliver(&mailer(server.port, ""), "1", ADA).await.unwrap_err();
    let Failure::Away(reason) = &failure else { panic!("{failure:?}") };
    assert!(reason.contains("553") && reason.contains("notify.mail.from"), "{reason}");
}

#[tokio::test]
async fn a_closing_or_missing_server_is_away() {
    let faults = r#"[{"stage": "connect", "times": 1, "reply": "554 no service"},
                     {"stage": "rcpt", "times": 1, "reply": "421 closing"}]"#;
    let server = server!("--faults", faults);
    let mailer = mailer(server.port, "");
    for code in ["554", "421"] {
        let failure = deliver(&mailer, "1", ADA).await.unwrap_err();
        assert!(matches!(&failure, Failure::Away(r) if r.contains(code)), "{failure:?}");
    }
    deliver(&mailer, "1", ADA).await.unwrap();
    let port = server.port;
    assert_eq!(server.stop().await.len(), 1);
    let failure = deliver(&mailer, "2", ADA).await.unwrap_err();
    let Failure::Away(reason) = &failure else { panic!("{failure:?}") };
    assert!(
        reason.contains(&format!("localhost:{port}")) && reason.contains("refused"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_its_late_answer_is_never_read() {
    let faults = r#"[{"stage": "rcpt", "match": "ada", "times": 1, "hang": true},
                     {"stage": "mail", "times": 0, "hang": true}]"#;
    let mut server = server!("--faults", faults);
    let mut mail = mail(server.port, "");
    mail.timeout = Duration::from_millis(300);
    let mailer = Mailer::new(&mail).unwrap();
    let failure = deliver(&mailer, "1", ADA).await.unwrap_err();
    assert!(matches!(&failure, Failure::Deferred(r) if r.contains("no answer")), "{failure:?}");
    deliver(&mailer, "1", ADA).await.unwrap();
    let mail = server.mail().await;
    assert_eq!((mail.to(), mail.id()), (ADA, "1"));
    assert!(server.stop().await.is_empty());
}

#[tokio::test]
async fn a_server_that_never_greets_is_away() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut mail = mail(listener.local_addr().unwrap().port(), "");
    mail.host = "127.0.0.1".to_owned();
    mail.timeout = Duration::from_millis(200);
    let failure = deliver(&Mailer::new(&mail).unwrap(), "1", ADA).await.unwrap_err();
    assert!(matches!(&failure, Failure::Away(r) if r.contains("no answer")), "{failure:?}");
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_a_mail_is_that_address_to_wait() {
    let faults = r#"[{"stage": "data", "match": "ada", "times": 1, "drop": true}]"#;
    let mut server = server!("--faults", faults);
    let mailer = mailer(server.port, "");
    let failure = deliver(&mailer, "1", ADA).await.unwrap_err();
    assert!(matches!(failure, Failure::Deferred(_)), "{failure:?}");
    deliver(&mailer, "1", ADA).await.unwrap();
    assert_eq!(server.mail().await.to(), ADA);
}

#[tokio::test]
async fn a_connection_the_server_closed_while_it_rested_costs_nothing() {
    let server = server!();
    let port = server.port;
    let mailer = mailer(port, "");
    deliver(&mailer, "1", ADA).await.unwrap();
    assert_eq!(server.stop().await.len(), 1);
    let Some(mut server) = SmtpServer::start_at(port, &[]).await else { return };
    deliver(&mailer, "2", ADA).await.unwrap();
    assert_eq!(server.mail().await.id(), "2");
    mailer.rest().await;
    deliver(&mailer, "3", ADA).await.unwrap();
    assert_eq!(server.mail().await.0["session"], 2, "rest() closed the first");
}

#[tokio::test]
async fn mail_sent_again_has_the_id_it_had_and_two_people_never_share_one() {
    let mut server = server!();
    let mailer = mailer(server.port, "");
    for to in [ADA, ADA, GRACE] {
        deliver(&mailer, "1", to).await.unwrap();
    }
    let mails = [server.mail().await, server.mail().await, server.mail().await];
    let ids = mails.each_ref().map(|mail| mail.header("Message-ID").unwrap());
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    let roots = mails.each_ref().map(|mail| mail.header("References").unwrap());
    assert!(roots[0] == roots[1] && roots[1] == roots[2]);
    assert!(!mails[2].0["data"].as_str().unwrap().contains(ADA), "no address leaks");
}

#[tokio::test]
async fn any_script_and_any_patch_arrive_as_they_were() {
    let mut server = server!();
    let mailer = mailer(server.port, "");
    let mut told = description();
    told.summary =
        "Ádám Ω pushed „süß“ 🚀 to カーネル, and then some more words to fold".to_owned();
    told.people = vec!["Ádám".to_owned(), "カ".to_owned()];
    let long = "z".repeat(3000);
    let patch = format!(
        "diff --git a/x b/x\n+{long}\n+ü = ä; trailing space \n.\n..\n.x\nFrom here\n+=3D=20\n\n-- \n2.43.0\n"
    );
    told.patch = Some(patch.clone());
    mailer.deliver(&notice("1", ADA, told.clone())).await.unwrap();
    let mail = server.mail().await;
    assert_eq!(mail.header("Subject"), Some(format!("[git] {}", told.summary).as_str()));
    assert_eq!(mail.header("X-Tubepost-People"), Some("Ádám, カ"));
    assert!(mail.body().contains(&patch), "{}", mail.body());
    let data = mail.0["data"].as_str().unwrap();
    assert!(data.is_ascii() && data.split("\r\n").all(|l| l.len() <= 998 && !l.contains('\n')));
}

/// dkimpy's verdict on a mail, with the key in a record as DNS would have it.
fn verdict(record: &str, mail: &str) -> String {
    let mut verifier = Command::new(std::env::var_os("TUBEPOST_PYTHON").unwrap())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dkim_verify.py"))
        .arg(record)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    verifier.stdin.take().unwrap().write_all(mail.as_bytes()).unwrap();
    let output = verifier.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_signed_mail_is_verified_by_a_stranger_and_a_changed_one_is_not() {
    let mut server = server!();
    let directory = tempfile::tempdir().unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let keys = [
        (rsa.as_der().unwrap().as_ref().to_vec(), "rsa", base64(rsa.public_key().as_ref())),
        (
            ed25519.to_pkcs8v1().unwrap().as_ref().to_vec(),
            "ed25519",
            base64(ed25519.public_key().as_ref()),
        ),
    ];
    for (der, kind, public) in keys {
        let file = directory.path().join(kind);
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64(&der));
        std::fs::write(&file, pem).unwrap();
        let more = format!("dkim_selector = 'letters'\ndkim_key_file = '{}'", file.display());
        let mailer = mailer(server.port, &more);
        assert!(!format!("{mailer:?}").contains(&base64(&der)[..20]));
        let mut told = description();
        told.summary = "ünicode, and so long that it has to be folded: ".repeat(3);
        told.patch = Some("+ two  spaces \n.\n\n\n".to_owned());
        mailer.deliver(&notice("1", ADA, told)).await.unwrap();
        let mail = server.mail().await;
        assert!(mail.header("DKIM-Signature").unwrap().contains("d=example.org"));
        let data = mail.0["data"].as_str().unwrap();
        let record = format!("v=DKIM1; k={kind}; p={public}");
        assert_eq!(verdict(&record, data), "true", "{kind}\n{data}");
        for (is, becomes) in
            [("To: ada", "To: eve"), ("spaces", "places"), ("From: T", "From: Eve\r\nFrom: T")]
        {
            assert!(data.contains(is), "{is}");
            assert_eq!(verdict(&record, &data.replacen(is, becomes, 1)), "false", "{kind}: {is}");
        }
    }
}

#[tokio::test]
async fn no_text_of_an_event_adds_a_header_a_recipient_or_a_mail() {
    let mut server = server!();
    let mailer = mailer(server.port, "");
    deliver(&mailer, "honest", ADA).await.unwrap();
    let honest = server.mail().await;
    for evil in [
        "x\r\nBcc: evil@example.org\r\n\r\n.\r\nMAIL FROM:<evil@example.org>\r\n",
        "=?utf-8?q?x=0D=0ABcc:_evil@example.org?=",
        "x\n.\nQUIT\n",
        "x\r.\rQUIT\r\n.\n",
        "\u{2028}Bcc: evil@example.org\0\u{1b}[2J",
    ] {
        let text = || evil.to_owned();
        let told = Description {
            summary: text(),
            link: Some(text()),
            app: text(),
            agent: Some(text()),
            people: vec![text()],
            packages: vec![text()],
            object: Some(text()),
            objects: vec![text()],
            text: Some(text()),
            patch: Some(text()),
            ..description()
        };
        mailer.deliver(&notice(evil, ADA, told)).await.unwrap();
        let mail = server.mail().await;
        assert_eq!(mail.to(), ADA);
        assert_eq!(mail.header_names(), honest.header_names(), "{evil:?}");
        assert_eq!(mail.0["defects"], serde_json::json!([]), "{evil:?}");
        for name in mail.header_names() {
            let value = mail.header(name).unwrap();
            assert!(!value.contains(char::is_control), "{name}: {value:?}");
        }
    }
    assert!(server.stop().await.is_empty());
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_can_and_is_refused_by_name_elsewhere() {
    let to = "ädä@example.org";
    let mut server = server!();
    deliver(&mailer(server.port, ""), "1", to).await.unwrap();
    let mail = server.mail().await;
    assert_eq!(mail.to(), to);
    assert_eq!(mail.header("To"), Some(to));
    assert_eq!(mail.0["options"], serde_json::json!(["SMTPUTF8", "BODY=8BITMIME"]));

    let server = server!("--no-smtputf8");
    let failure = deliver(&mailer(server.port, ""), "1", to).await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(r) if r.contains("SMTPUTF8")), "{failure:?}");
}
