//! The body of a webhook in each shape. What an event says is escaped for the chat that shows it:
//! it marks nothing, mentions nobody, and leads nowhere but to its own link.

use event::{Event, Http, HttpMode};
use serde_json::json;

use super::address::Shape;
use crate::{Notice, Templates, chat_text::ChatText};

/// Content type and body.
///
/// # Errors
/// It is larger than a webhook may be.
pub(crate) fn render(shape: Shape, notice: &Notice, templates: &Templates) -> Result<Http, String> {
    let chat = || ChatText::by(templates, notice);
    let http = match shape {
        Shape::CloudEvents => cloud_events(notice),
        Shape::Slack => {
            let text = said(&chat(), slack, SLACK_CHARS_MAX, slack);
            message(&json!({"text": text, "mrkdwn": false}))
        }
        Shape::Mattermost => {
            message(&json!({"text": said(&chat(), mattermost, MATTERMOST_CHARS_MAX, bracketed)}))
        }
        Shape::Discord => message(&json!({
            "content": said(&chat(), discord, DISCORD_CHARS_MAX, bracketed),
            "allowed_mentions": {"parse": []},
            // SUPPRESS_EMBEDS: a link's preview is text of a stranger, too.
            "flags": 4,
        })),
    };
    match http.body.len() {
        ..=BODY_BYTES_MAX => Ok(http),
        bytes => Err(format!("a body of {bytes} bytes is more than {BODY_BYTES_MAX}")),
    }
}

fn cloud_events(notice: &Notice) -> Http {
    if !notice.is_digest() {
        return notice.event.to_http(HttpMode::Structured);
    }
    let events: Vec<Event> = notice.matters().map(|(event, _)| Event::clone(event)).collect();
    Event::to_http_batch(&events)
}

fn message(body: &serde_json::Value) -> Http {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Http { headers, body: body.to_string().into() }
}

/// The lines, each escaped, as many as there is room for; the link always.
fn said(
    chat: &ChatText,
    escape: fn(&str) -> String,
    chars_max: usize,
    linked: fn(&str) -> String,
) -> String {
    let ChatText { title, text, link, lines } = chat;
    let link =
        link.as_ref().map(|link| format!("\n{}", linked(&bare(link.as_str())))).unwrap_or_default();
    let mut said = escape(title);
    let mut chars = said.chars().count() + link.chars().count();
    for line in lines.iter().map(String::as_str).chain(text.lines()) {
        let line = escape(line);
        chars += line.chars().count() + 1;
        if chars >= chars_max {
            said.push_str("\n…");
            break;
        }
        said.push('\n');
        said.push_str(&line);
    }
    said + &link
}

/// A URL that stays between `<` and `>`, also where `|` parts it from its name.
fn bare(url: &str) -> String {
    url.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C")
}

/// In Markdown a URL between these is nothing but itself.
fn bracketed(url: &str) -> String {
    format!("<{url}>")
}

/// Slack, "Formatting text for app surfaces": these three, and nothing else when mrkdwn is off.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Markdown, and what Mattermost reads in it beyond that: `@channel`, Slack's `<!channel>`, `:+1:`.
fn mattermost(text: &str) -> String {
    escaped(text, |c, to| match c {
        '@' | '<' => to.extend([c, ZERO_WIDTH_SPACE]),
        ':' => to.extend([ZERO_WIDTH_SPACE, c]),
        _ if r"\`*_{}[]()#+-.!>~|".contains(c) => to.extend(['\\', c]),
        _ => to.push(c),
    })
}

/// Discord takes a backslash before anything that is no letter, digit or space.
fn discord(text: &str) -> String {
    escaped(text, |c, to| match c {
        '@' => to.extend([c, ZERO_WIDTH_SPACE]),
        _ if c.is_ascii_punctuation() => to.extend(['\\', c]),
        _ => to.push(c),
    })
}

fn escaped(text: &str, escape: fn(char, &mut String)) -> String {
    // Four spaces would begin a block of code.
    let text = text.trim_start();
    text.chars().fold(String::with_capacity(text.len() * 2), |mut to, c| {
        escape(c, &mut to);
        to
    })
}

const ZERO_WIDTH_SPACE: char = '\u{200b}';
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const SLACK_CHARS_MAX: usize = 3500;
const MATTERMOST_CHARS_MAX: usize = 3900;
const DISCORD_CHARS_MAX: usize = 1950;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Matter, chat_text::notice_of};
    use serde_json::Value;

    fn render(shape: Shape, notice: &Notice) -> Result<Http, String> {
        super::render(shape, notice, &Templates::default())
    }

    fn body(shape: Shape, notice: &Notice) -> Value {
        serde_json::from_slice(&render(shape, notice).unwrap().body).unwrap()
    }

    fn hostile() -> Notice {
        notice_of(|d| {
            d.summary =
                "<!channel> @everyone <@1> [click](https://evil.org) `x` *b* &lt; :+1:".to_owned();
            d.text = Some("    code\n# big\n> quote\n- item\n||spoiler||".to_owned());
            d.link = Some("https://x.org/a|b>c".to_owned());
        })
    }

    #[test]
    fn programs_get_the_event_and_of_a_digest_all() {
        let mut notice = notice_of(|_| {});
        let one = render(Shape::CloudEvents, &notice).unwrap();
        assert_eq!(one.headers[0].1, "application/cloudevents+json");
        let body: Value = serde_json::from_slice(&one.body).unwrap();
        assert_eq!(body["type"], "org.example.git.receive");
        let matter =
            Matter { event: notice.event.clone(), description: notice.description.clone() };
        notice.more = vec![matter; 2];
        let batch = render(Shape::CloudEvents, &notice).unwrap();
        let events: Value = serde_json::from_slice(&batch.body).unwrap();
        assert_eq!(events.as_array().unwrap().len(), 3);
    }

    #[test]
    fn slack_is_told_in_plain_text() {
        let body = body(Shape::Slack, &hostile());
        assert_eq!(body["mrkdwn"], false);
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("[git] &lt;!channel&gt; @everyone &lt;@1&gt; ["), "{text}");
        assert!(text.contains("&amp;lt;") && text.ends_with("\nhttps://x.org/a%7Cb%3Ec"), "{text}");
        assert!(!text.contains('<'), "nothing is a mention or a link with another name: {text}");
    }

    #[test]
    fn mattermost_and_discord_obey_nothing_of_an_event() {
        let hidden = |text: &str| text.replace(ZERO_WIDTH_SPACE, "");
        let body_of = body(Shape::Mattermost, &hostile());
        let text = body_of["text"].as_str().unwrap();
        assert!(!text.contains("@e") && !text.contains("<!") && !text.contains("](h"), "{text}");
        assert!(hidden(text).contains("\\[click\\]\\(https"), "{text}");
        assert!(text.contains("\n\\# big\n\\> quote\n\\- item\n\\|\\|spoiler"), "{text}");
        assert!(text.contains("\ncode\n"), "{text}");

        let body_of = body(Shape::Discord, &hostile());
        assert_eq!(body_of["allowed_mentions"], json!({"parse": []}));
        let text = body_of["content"].as_str().unwrap();
        assert!(!text.contains("@e") && text.contains("\\<\\!channel\\>"), "{text}");
        assert!(text.contains("\\`x\\` \\*b\\*") && text.contains("\\|\\|spoiler\\|\\|"), "{text}");
    }

    #[test]
    fn a_message_of_any_length_is_short_enough_and_keeps_its_link() {
        let notice = notice_of(|d| {
            d.summary = "*".repeat(10_000);
            d.text = Some("_\n".repeat(10_000));
        });
        for (shape, key, max) in [
            (Shape::Discord, "content", 2000),
            (Shape::Slack, "text", 4000),
            (Shape::Mattermost, "text", 4000),
        ] {
            let body = body(shape, &notice);
            let text = body[key].as_str().unwrap();
            assert!(text.chars().count() <= max, "{shape:?}: {}", text.chars().count());
            assert!(text.trim_end_matches('>').ends_with("/1f2e3d"), "{shape:?}");
        }
    }
}
