//! What is in a feed, of hostile events too, and who may open it.

use super::*;
use crate::{Matter, Reason, notice::sample, rule::Owner, store::FeedContent};
use jiff::Timestamp;

fn notice(to: &str, hostile: bool) -> Notice {
    let (event, mut told) = sample();
    let mut reason = "mine".to_owned();
    if hostile {
        told.summary = format!("<script>alert(1)</script>&\u{202e}x\r\n\u{0}{}", "y".repeat(900));
        told.link = Some("javascript:alert(1)".to_owned());
        told.agent = Some("]]><evil xmlns='x'/>".to_owned());
        told.text = Some("</pre><script>alert(2)</script>\u{1b}[2J\u{ffff}".to_owned());
        told.patch = Some("+<img src=x onerror=alert(3)>\n".repeat(1000));
        "\"><b>".clone_into(&mut reason);
    }
    let why = Reason { subscription: reason, pattern: "#".to_owned(), rule: None };
    Notice {
        event: event.into(),
        description: told.into(),
        more: Vec::new(),
        to: to.parse().unwrap(),
        reasons: vec![why],
        received_at: "2026-11-25T09:41:40Z".parse().unwrap(),
    }
}

fn document(notice: &Notice, form: Form) -> String {
    let content = FeedContent {
        id: "3f9a0b12c4d5".to_owned(),
        owner: Owner::Person("ada".to_owned()),
        made_at: Timestamp::UNIX_EPOCH,
        entries: vec![entry_of(notice)],
    };
    document::write(&content, form, "https://bus.example.org", "5ec4e7").text
}

#[test]
fn a_feed_reads_well() {
    let atom = document(&notice("feed:x", false), Form::Atom);
    for part in [
        "<title>Tubepost: ada</title>\n<updated>2026-11-25T09:41:40Z</updated>",
        "href=\"https://bus.example.org/feeds/5ec4e7.atom\"",
        "<title>ada pushed to kernel (main): fix the scheduler</title>",
        "<link rel=\"alternate\" href=\"https://git.example.org/kernel/c/1f2e3d\"/>",
        "<author><name>ada</name></author>",
        "It woke the wrong task.",
        "+\twake(b);",
    ] {
        assert!(atom.contains(part), "{part}\n{atom}");
    }
    let rss = document(&notice("feed:x", false), Form::Rss);
    assert!(rss.contains("<pubDate>Wed, 25 Nov 2026 09:41:40 "), "{rss}");
}

#[test]
fn a_hostile_event_is_text_in_both_forms() {
    for form in [Form::Atom, Form::Rss] {
        let text = document(&notice("feed:x", true), form);
        for part in ["<script", "&lt;script", "<b>", "<evil", "<img", "javascript:", "\u{202e}"] {
            // Once escaped it would be HTML to a reader; a title of Atom is no HTML.
            let text = match form {
                Form::Atom => text.replace("<title>&lt;script", ""),
                Form::Rss => text.clone(),
            };
            assert!(!text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
        assert!(!text.contains(['\u{ffff}', '\u{fffe}']));
        assert!(text.len() < 64 * 1024, "{}", text.len());
    }
}

#[test]
fn a_digest_is_one_entry_that_lists_all() {
    let mut digest = notice("feed:x", false);
    let (event, told) = (Arc::clone(&digest.event), Arc::clone(&digest.description));
    digest.more = vec![Matter { event, description: told }; 60];
    let entry = entry_of(&digest);
    assert!(entry.title.starts_with("61 events: ada pushed"), "{entry:?}");
    assert!(entry.text.ends_with("and 11 more\n"), "{entry:?}");
}

#[tokio::test]
async fn a_notice_stands_in_its_feed_once_and_of_many_the_newest_stay() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::File(directory.path().join("notify.db"));
    let feeds = Feeds::new(location.clone(), "https://bus.example.org/");
    let nothing_yet = feeds.document("00", Form::Atom).unwrap();
    assert_eq!(nothing_yet, None);

    let owner = Owner::Person("ada".to_owned());
    let (destination, secret) = location.open().unwrap().make_feed(&owner).unwrap();
    let keeper = FeedKeeper::new(location.open().unwrap());
    let mut notice = notice(&destination.id, false);
    for _ in 0..2 {
        keeper.deliver(&notice).await.unwrap();
    }
    let read = || feeds.document(secret.expose(), Form::Atom).unwrap();
    assert_eq!(read().unwrap().text.matches("<entry>").count(), 1);
    for number in 0..crate::store::FEED_ENTRIES_MAX + 5 {
        Arc::make_mut(&mut notice.event).id = format!("event-{number}");
        Arc::make_mut(&mut notice.description).summary = format!("number {number}.");
        keeper.deliver(&notice).await.unwrap();
    }
    let text = read().unwrap().text;
    assert_eq!(text.matches("<entry>").count(), crate::store::FEED_ENTRIES_MAX);
    assert!(text.contains("number 104.") && text.contains("number 5."), "{text}");
    assert!(!text.contains("number 4."));

    let store = location.open().unwrap();
    let other = store.rotate_feed(&owner, &destination.id).unwrap();
    assert_eq!(read(), None);
    assert!(feeds.document(other.expose(), Form::Rss).unwrap().is_some());
    let stranger = Owner::Person("eve".to_owned());
    let refused = store.rotate_feed(&stranger, &destination.id).unwrap_err();
    assert!(refused.to_string().contains("is no feed of eve's"), "{refused}");
    let refused = store.put_destination(&stranger, &destination).unwrap_err();
    assert!(refused.to_string().contains("make one with"), "{refused}");

    assert!(store.remove_destination(&owner, &destination.id).unwrap());
    assert_eq!(feeds.document(other.expose(), Form::Rss).unwrap(), None);
    let failure = keeper.deliver(&notice).await.unwrap_err();
    assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
}
