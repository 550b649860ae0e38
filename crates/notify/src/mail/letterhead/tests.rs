//! Golden mails, and hostile ones.

use event::{Description, Event};

use super::*;
use crate::{Reason, Settings, notice::sample};

fn letterhead() -> Letterhead {
    let settings: Settings = toml::from_str(
        "[mail]\nfrom = 'Tubepost <tubepost@example.org>'\npage_url = 'https://bus.example.org/'\n\
         [[subscription]]\nto = 'ada@example.org'",
    )
    .unwrap();
    Letterhead::new(&settings.check().unwrap().unwrap().mail)
}

fn notice(change: impl FnOnce(&mut Event, &mut Description)) -> Notice {
    let (mut event, mut description) = sample();
    change(&mut event, &mut description);
    Notice {
        event: event.into(),
        description: description.into(),
        more: Vec::new(),
        to: "mail:Ada Lovelace <ada@example.org>".parse().unwrap(),
        reasons: vec![Reason {
            subscription: "kernel".to_owned(),
            pattern: "#.git.*".to_owned(),
            rule: None,
        }],
        received_at: "2026-11-25T09:41:40Z".parse().unwrap(),
    }
}

fn rendered(change: impl FnOnce(&mut Event, &mut Description)) -> String {
    let message = letterhead().render(&notice(change)).unwrap();
    String::from_utf8(message.formatted()).unwrap()
}

/// The headers, unfolded.
fn headers(mail: &str) -> Vec<(String, String)> {
    let (head, _) = mail.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn header(mail: &str, name: &str) -> Option<String> {
    headers(mail).into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

#[test]
fn a_mail_is_as_documented_to_the_byte() {
    let golden = include_str!("golden.eml").replace('\n', "\r\n");
    assert_eq!(rendered(|_, _| {}), golden);
}

#[test]
fn the_same_notice_gives_the_same_mail() {
    assert_eq!(rendered(|_, _| {}), rendered(|_, _| {}));
}

#[test]
fn without_an_object_there_is_no_thread_and_without_a_value_no_header() {
    let mail = rendered(|event, d| {
        (d.object, d.agent, event.schema) = (None, None, None);
        d.people.clear();
        d.packages.clear();
    });
    for name in ["In-Reply-To", "References", "Agent", "Object", "Schema", "People", "Packages"] {
        assert!(headers(&mail).iter().all(|(n, _)| !n.ends_with(name)), "{name}\n{mail}");
    }
}

#[test]
fn mails_of_one_object_share_their_root_and_nothing_else() {
    let one = rendered(|event, _| event.id = "1".to_owned());
    let two = rendered(|event, _| event.id = "2".to_owned());
    let other = rendered(|_, d| d.object = Some("git/glibc".to_owned()));
    assert_eq!(header(&one, "References"), header(&two, "References"));
    assert_eq!(header(&one, "References"), header(&one, "In-Reply-To"));
    assert_ne!(header(&one, "Message-ID"), header(&two, "Message-ID"));
    assert_ne!(header(&one, "References"), header(&other, "References"));
}

#[test]
fn a_date_nobody_believes_becomes_the_time_of_receipt() {
    let date = |sent_at: Option<&str>| {
        let sent_at = sent_at.map(|text| text.parse().unwrap());
        header(&rendered(|event, _| event.sent_at = sent_at), "Date").unwrap()
    };
    assert_eq!(date(Some("2001-02-03T04:05:06Z")), "Sat, 03 Feb 2001 04:05:06 +0000");
    for sent_at in [
        None,
        Some("1969-12-31T23:59:59Z"),
        Some("-009000-01-01T00:00:00Z"),
        Some("9999-12-30T00:00:00Z"),
        Some("2026-11-25T10:41:41Z"),
    ] {
        assert_eq!(date(sent_at), "Wed, 25 Nov 2026 09:41:40 +0000", "{sent_at:?}");
    }
}

#[test]
fn no_text_of_an_event_adds_a_header_or_a_recipient() {
    let evil = "x\r\nBcc: evil@example.org\r\nX-Evil: 1\r\n\r\nhello";
    let evil_encoded = "=?utf-8?q?x=0D=0AX-Evil:_1?=";
    let expected: Vec<String> = headers(&rendered(|_, _| {})).into_iter().map(|(n, _)| n).collect();
    for evil in [evil, evil_encoded, "x\nX-Evil: 1", "x\rX-Evil: 1", "x\u{2028}X-Evil: 1\0"] {
        let text = || evil.to_owned();
        let message = letterhead()
            .render(&notice(|event, d| {
                event.id = text();
                event.schema = Some(text());
                d.app = text();
                d.summary = text();
                d.agent = Some(text());
                d.object = Some(text());
                d.people = vec![text(), text()];
                d.packages = vec![text()];
            }))
            .unwrap();
        assert_eq!(message.envelope().to().len(), 1);
        let mail = String::from_utf8(message.formatted()).unwrap();
        let names: Vec<String> = headers(&mail).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, expected, "{evil:?}\n{mail}");
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("=?utf-8?q?x=0D"), "{mail}");
    }
}

#[test]
fn every_line_is_short_ascii_and_ends_in_crlf() {
    let mail = rendered(|event, d| {
        event.id = "i".repeat(5000);
        d.app = "a".repeat(5000);
        d.summary = "ü".repeat(5000);
        d.agent = Some("g".repeat(5000));
        d.object = Some("ö ".repeat(5000));
        d.people = (0..5000).map(|n| format!("person-{n}")).collect();
        d.packages = vec!["p".repeat(5000)];
        d.patch = Some(format!("+{}\n+ü\n.\n..\nFrom x\n", "z".repeat(5000)));
    });
    for line in mail.split("\r\n") {
        assert!(line.len() <= 998 && line.is_ascii() && !line.contains(['\r', '\n']), "{line:?}");
    }
    assert_eq!(mail.matches("X-Tubepost-People").count(), 1);
    assert!(header(&mail, "X-Tubepost-People").unwrap().ends_with(", +4927"), "{mail}");
}

#[test]
fn a_subject_of_any_script_is_decodable() {
    let mail = rendered(|_, d| d.summary = "Ádám pushed „süß“ 🚀".to_owned());
    let subject = header(&mail, "Subject").unwrap();
    assert!(subject.starts_with("[git] =?utf-8?b?") && subject.is_ascii(), "{subject}");
}

#[test]
fn a_list_id_is_a_domain_whatever_the_application_is_called() {
    for (app, id) in [
        ("git", "<git.example.org>"),
        ("The New Hotness!", "<the-new-hotness.example.org>"),
        ("ödland", "<dland.example.org>"),
        ("ÄÖ", "<events.example.org>"),
    ] {
        let mail = rendered(|_, d| d.app = app.to_owned());
        assert!(header(&mail, "List-Id").unwrap().ends_with(id), "{mail}");
    }
}
