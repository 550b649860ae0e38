//! What a notice says in a room: plain text, and the same as HTML of the few tags that clients
//! show. What an event says is escaped, and mentions nobody.

use serde_json::{Value, json};

use crate::{Notice, Templates, chat_text::ChatText};

/// The content of `m.room.message`.
pub(crate) fn message(notice: &Notice, templates: &Templates) -> Value {
    let ChatText { title, text, link, lines } = ChatText::by(templates, notice);
    let mut plain = vec![title.clone()];
    let mut html = match &link {
        Some(link) => {
            format!(
                "<strong><a href=\"{}\">{}</a></strong>",
                escaped(link.as_str()),
                escaped(&title)
            )
        }
        None => format!("<strong>{}</strong>", escaped(&title)),
    };
    if !lines.is_empty() {
        let items: String =
            lines.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        html.push_str(&format!("<ul>{items}</ul>"));
        plain.extend(lines);
    }
    if !text.is_empty() {
        html.push_str(&format!("<br><pre><code>{}</code></pre>", escaped(&text)));
        plain.push(text);
    }
    plain.extend(link.map(String::from));
    json!({
        "msgtype": "m.text",
        "body": plain.join("\n"),
        "format": "org.matrix.custom.html",
        "formatted_body": html,
        // Without it older clients look for names in the text.
        "m.mentions": {},
    })
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len() + text.len() / 8), |mut to, c| {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            _ => to.push(c),
        }
        to
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Matter, chat_text::notice_of};

    fn message(notice: &Notice) -> Value {
        super::message(notice, &Templates::default())
    }

    #[test]
    fn a_notice_is_text_and_the_same_in_html() {
        let said = message(&notice_of(|_| {}));
        assert_eq!(said["msgtype"], "m.text");
        assert_eq!(
            said["body"],
            "[git] ada pushed to kernel (main): fix the scheduler\n\
             fix the scheduler\n\nIt woke the wrong task.\nhttps://git.example.org/kernel/c/1f2e3d"
        );
        assert_eq!(
            said["formatted_body"],
            "<strong><a href=\"https://git.example.org/kernel/c/1f2e3d\">[git] ada pushed to kernel \
             (main): fix the scheduler</a></strong><br><pre><code>fix the scheduler\n\n\
             It woke the wrong task.</code></pre>"
        );
    }

    #[test]
    fn nothing_an_event_says_is_html_or_a_mention() {
        let said = message(&notice_of(|d| {
            d.summary = "<img src=x onerror=alert(1)> @room \"'&amp;\u{1b}[31m".to_owned();
            d.text = Some("</code></pre><script>\u{202e}x</script>".to_owned());
            d.link = Some("https://x.org/\"><b>".to_owned());
        }));
        let html = said["formatted_body"].as_str().unwrap();
        let tags: Vec<&str> =
            html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()).collect();
        assert_eq!(
            tags,
            [
                "strong",
                "a href=\"https://x.org/%22%3E%3Cb%3E\"",
                "/a",
                "/strong",
                "br",
                "pre",
                "code",
                "/code",
                "/pre"
            ]
        );
        assert_eq!(said["m.mentions"], json!({}));
        let body = said["body"].as_str().unwrap();
        assert!(body.chars().all(|c| c == '\n' || !c.is_control()), "{body:?}");
    }

    #[test]
    fn the_longest_digest_is_far_below_what_an_event_may_have() {
        let mut notice = notice_of(|d| d.summary = "<".repeat(5000));
        let matter =
            Matter { event: notice.event.clone(), description: notice.description.clone() };
        notice.more = vec![matter; 5000];
        let said = message(&notice);
        assert!(said.to_string().len() < 60_000, "Matrix: 65,536 bytes");
        assert!(said["formatted_body"].as_str().unwrap().ends_with("more</li></ul>"));
    }
}
