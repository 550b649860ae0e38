//! Events for tests, and the names no page may take for markup.

use event::{Description, Event};

/// Names as an enemy would choose them.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "</script><script src=//evil.example></script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=\"alert(1)",
    "<!--",
    "--><svg/onload=alert(1)>",
    "<![CDATA[",
    "]]>",
    "</title><b>",
    "</textarea><b>",
    "</pre><b>",
    "</template><b>",
    "</bdi></li><b>",
    "{{ 7*7 }}",
    "{% raw %}<b>",
    "${7*7}",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "<b",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u{202E}gpj.exe",
    "\u{2066}x\u{2069}",
    "a\0b",
    "\u{feff}<b>",
    "\u{2028}<b>",
    "line\r\nSet-Cookie: a=b\n\ndata: <b>x</b>\n\n",
    "../../etc/passwd",
    "~1-1",
    "\\",
    "%3Cb%3E",
    "𝕬<b>",
    "",
];

/// An event of a topic.
pub(crate) fn event(topic: &str) -> Event {
    Event::new(topic.parse().unwrap(), serde_json::json!({"agent": "ada"})).unwrap()
}

/// A description with nothing but a summary.
pub(crate) fn described(summary: &str) -> Description {
    Description::bare("test", summary)
}
