//! Templates of a directory: what they say, what is wrong with them, and what they cannot do.

use std::fs;

use super::*;
use crate::{Config, Letterhead, Settings, chat_text::notice_of};

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// A configuration with these.
pub(crate) fn config(files: &[(&str, &str)]) -> Result<Config, String> {
    let directory = directory(files);
    let path = directory.path().display();
    let text = format!("templates = '{path}'\n[mail]\nfrom = 'tubepost@example.org'\n");
    let settings: Settings = toml::from_str(&text).unwrap();
    settings.check().map(Option::unwrap).map_err(|error| error.to_string())
}

fn mail(config: &Config, notice: &Notice) -> String {
    let mail = Letterhead::new(&config.mail).render(notice).unwrap();
    let text = String::from_utf8(mail.formatted()).unwrap();
    text.replace("=\r\n", "").replace("\r\n", "\n")
}

fn to_mail(change: impl FnOnce(&mut event::Description)) -> Notice {
    let mut notice = notice_of(change);
    notice.to = "mail:ada@example.org".parse().unwrap();
    notice
}

#[test]
fn a_mail_is_in_the_operators_words_and_keeps_its_foot() {
    let config = config(&[
        ("mail-subject.txt", "{{ app }}: {{ summary }}\n"),
        ("mail.txt", "Hello.\n{% include '_what.txt' %}\n{{ body.agent }} {{ reasons[0].name }}\n"),
        ("_what.txt", "{% for one in events %}* {{ one.summary }}\n{% endfor %}"),
        ("mail.html", "<p><a href=\"{{ link }}\">{{ summary }}</a></p>"),
        (".mail.txt.swp", "{{"),
        ("README", "{{"),
    ])
    .unwrap();
    let said = mail(&config, &to_mail(|_| {}));
    assert!(said.contains("\nSubject: git: ada pushed to kernel"), "{said}");
    let text =
        "Hello.\n* ada pushed to kernel (main): fix the scheduler\n\nada mine\n\n-- \nYou get";
    assert!(said.replace("-- =\n", "-- \n").replace("--=20", "-- ").contains(text), "{said}");
    assert!(said.contains("<p><a href="), "{said}");
    assert!(said.contains("tubepost notify rule edit") || said.contains("subscription"), "{said}");
}

#[test]
fn what_an_event_says_stays_text_in_every_template() {
    let config = config(&[
        ("mail-subject.txt", "{{ summary }}"),
        ("mail.txt", "{{ text }}"),
        ("mail.html", "<a title=\"{{ summary }}\" href=\"{{ link }}\">x</a>"),
        ("chat.txt", "{{ summary }}\n{{ text }}"),
    ])
    .unwrap();
    let notice = to_mail(|d| {
        d.summary = "x\r\nBcc: eve@example.org\r\n\r\n<script>\"".to_owned();
        d.text = Some("\u{1b}[2Jclear".to_owned());
        d.link = Some("javascript:alert(1)".to_owned());
    });
    let said = mail(&config, &notice);
    let (_, html) = said.split_once("<!doctype").unwrap();
    assert!(!said.contains("\nBcc:") && !html.contains("<script>"), "{said}");
    assert!(!said.contains("javascript:") && !said.contains('\u{1b}'), "{said}");
    let mut notice = notice;
    notice.to = "irc:ada".parse().unwrap();
    let chat = crate::chat_text::ChatText::by(&config.templates, &notice);
    assert_eq!(chat.title, "x Bcc: eve@example.org <script>\"");
    let all = format!("{chat:?}");
    assert!(chat.lines.iter().all(|line| !line.contains(char::is_control)), "{all}");
}

#[test]
fn the_example_in_the_documentation_says_an_event_and_a_digest() {
    let page = include_str!("../../../../docs/notify.md");
    let (_, behind) = page.split_once("```jinja\n").unwrap();
    let example = behind.split("```").next().unwrap();
    let templates = config(&[("mail.txt", example)]).unwrap().templates;
    let mut notice = to_mail(|d| d.severity = event::Severity::Error);
    let said = templates.say(TEXT, &notice).unwrap();
    assert!(said.ends_with("It woke the wrong task. Please look at it."), "{said}");
    let (event, description) = (notice.event.clone(), notice.description.clone());
    notice.more = vec![crate::Matter { event, description }];
    let said = templates.say(TEXT, &notice).unwrap();
    assert!(said.starts_with("2 events\n* ada pushed to kernel"), "{said}");
}

#[test]
fn a_chat_has_its_own_words_or_those_of_all_chats() {
    let files = [("chat.txt", "{{ app }}! {{ summary }}\nmore"), ("irc.txt", "one\ntwo")];
    let templates = config(&files).unwrap().templates;
    let by = |to: &str| {
        let mut notice = notice_of(|_| {});
        notice.to = to.parse().unwrap();
        crate::chat_text::ChatText::by(&templates, &notice)
    };
    let irc = by("irc:ada");
    assert_eq!((irc.title.as_str(), irc.lines.as_slice()), ("one", &["two".to_owned()][..]));
    let long = "first\n\n{% for number in range(30) %}line {{ number }}\n \n{% endfor %}";
    let many = config(&[("irc.txt", long)]).unwrap().templates;
    let lines = crate::irc::lines(&notice_of(|_| {}), &many, 400);
    assert_eq!((lines.len(), lines[7].as_str()), (9, "line 6"));
    assert_eq!(lines[8], "… and 23 more");
    let ntfy = by("ntfy:ada");
    assert!(ntfy.title.starts_with("git! ada pushed") && ntfy.text == "more", "{ntfy:?}");
    assert!(ntfy.link.is_some());
}

#[test]
fn what_is_wrong_is_said_at_the_start_with_file_line_and_mend() {
    for (name, text, parts) in [
        ("mail.txt", "a\n{{ summary", &["mail.txt:2"][..]),
        ("mail.txt", "a\n\n{{ summary|nosuch }}", &["mail.txt:3", "nosuch"]),
        ("mail.txt", "{{ sumary }}", &["mail.txt", "there is no 'sumary'", "summary"]),
        ("mail.html", "{{ text|safe }}", &["mail.html:1", "without safe"]),
        ("mail.html", "\n{% autoescape false %}", &["mail.html:2", "remove it"]),
        ("mial.txt", "x", &["mial.txt is no template", "mail.txt"]),
        ("irc.txt", "{% include 'x.txt' %}", &["irc.txt:1"]),
        ("mail.html", "{% include '_text.txt' %}", &["mail.html:1", "_text.txt"]),
        ("irc.txt", "{% for a in range(100000) %}{{ a }}{% endfor %}", &["irc.txt", "too long"]),
    ] {
        // What is text is not there for HTML: it would not be escaped.
        let said = config(&[(name, text), ("_text.txt", "{{ summary }}")]).unwrap_err();
        assert!(said.starts_with("notify.templates: "), "{said}");
        for part in parts {
            assert!(said.contains(part), "{text}: {said}");
        }
    }
    let settings = "templates = '/nowhere/t'\n[mail]\nfrom = 'a@b.org'";
    let said = toml::from_str::<Settings>(settings).unwrap().check().unwrap_err().to_string();
    assert!(said.contains("notify.templates: /nowhere/t"), "{said}");
    let large = "x".repeat(70_000);
    assert!(config(&[("mail.txt", &large)]).unwrap_err().contains("split it up"));
}

#[test]
fn a_template_that_fails_later_is_counted_and_the_notice_is_said_without_it() {
    let config = config(&[
        ("mail.txt", "{% if app == 'git' %}{{ summary.x.y() }}{% endif %}"),
        ("mail-subject.txt", "{% if app == 'git' %}{{ 1 / 0 }}{% endif %}x"),
        (
            "chat.txt",
            "{% for a in text|list %}{% for b in text|list %}{{ a }}{% endfor %}{% endfor %}",
        ),
    ])
    .unwrap();
    assert_eq!(config.templates.failed(), 0);
    let mut notice = to_mail(|d| d.text = Some("x".repeat(10_000)));
    let said = mail(&config, &notice);
    assert!(said.contains("\nSubject: [git] ada pushed to kernel"), "{said}");
    assert_eq!(config.templates.failed(), 2);
    notice.to = "irc:ada".parse().unwrap();
    let chat = crate::chat_text::ChatText::by(&config.templates, &notice);
    assert_eq!((chat.title.starts_with("[git]"), config.templates.failed()), (true, 3));
}
