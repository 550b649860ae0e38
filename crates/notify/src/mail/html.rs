//! The HTML of a mail, beside the text and with the same in it. Pure. Loads nothing from
//! elsewhere, runs nothing, and everything an event says is escaped here.

use std::fmt::Write;

use event::{Description, Event, Severity};

use super::{
    body::{LINK_CHARS_MAX, SUMMARY_CHARS_MAX, Sheet, cut_at_line, push_visible},
    header_text::one_line,
    patches::{Patch, Patches},
    shortened,
};
use crate::{Digest, Notice, Reason, limits::TEXT_BYTES_MAX};

/// The whole document, line breaks as `\n`.
pub(crate) fn render(notice: &Notice, sheet: &Sheet<'_>) -> String {
    let mut html = String::with_capacity(4096);
    html.push_str(HEAD);
    let patches = Patches::of(notice, sheet.patch_bytes_max);
    // One alone stands with its event.
    let bytes_max = (!patches.are_several()).then_some(sheet.patch_bytes_max);
    match notice.is_digest() {
        true => push_digest(&mut html, notice),
        false => push_event(&mut html, &notice.event, &notice.description, bytes_max),
    }
    push_patches(&mut html, &patches);
    push_footer(&mut html, notice, sheet);
    html.push_str("</div>\n</body>\n</html>\n");
    html
}

/// As [`render`], with the operator's words between head and foot: HTML, in which what an event
/// says is escaped already.
pub(crate) fn render_said(said: &str, notice: &Notice, sheet: &Sheet<'_>) -> String {
    let mut html = String::with_capacity(said.len() + 4096);
    html.push_str(HEAD);
    push_visible(&mut html, said.trim_end());
    push_footer(&mut html, notice, sheet);
    html.push_str("</div>\n</body>\n</html>\n");
    html
}

fn push_patches(html: &mut String, patches: &Patches<'_>) {
    for Patch { heading, link, stat, whole, kept } in &patches.shown {
        html.push_str("<h2>");
        push_linked(html, heading, *link);
        let _ = writeln!(html, "</h2>\n<p class=\"over\">{stat}</p>");
        if !kept.is_empty() {
            push_patch(html, kept);
        }
        push_left_out(html, whole, kept, "patch");
    }
    if let Some(left_out) = &patches.left_out {
        let _ = writeln!(html, "<p class=\"left\">{left_out}.</p>");
    }
}

/// Without a bound there is no patch.
fn push_event(
    html: &mut String,
    event: &Event,
    told: &Description,
    patch_bytes_max: Option<usize>,
) {
    let severity = told.severity;
    let _ = write!(html, "<p class=\"over\">{}", escaped(&one_line(&told.app, 40)));
    if matches!(severity, Severity::Warning | Severity::Error) {
        let _ = write!(html, " <b class=\"{0}\">{0}</b>", severity.name());
    }
    html.push_str("</p>\n<h1>");
    push_linked(html, &one_line(&told.summary, SUMMARY_CHARS_MAX), told.link.as_deref());
    html.push_str("</h1>\n");
    if let Some(text) = told.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        let kept = cut_at_line(text, TEXT_BYTES_MAX);
        html.push_str("<div class=\"text\">");
        push_escaped(html, &visible(kept));
        html.push_str("</div>\n");
        push_left_out(html, text, kept, "text");
    }
    if let Some(link) = &told.link {
        html.push_str("<p class=\"link\">");
        push_linked(html, &one_line(link, LINK_CHARS_MAX), Some(link));
        html.push_str("</p>\n");
    }
    let patch = told.patch.as_deref().filter(|patch| !patch.trim().is_empty());
    if let (Some(patch), Some(bytes_max)) = (patch, patch_bytes_max) {
        let kept = cut_at_line(patch, bytes_max);
        push_patch(html, kept);
        push_left_out(html, patch, kept, "patch");
    }
    let topic = escaped(&one_line(event.topic.as_str(), 300));
    let _ = writeln!(html, "<p class=\"topic\">{topic}</p>");
}

fn push_digest(html: &mut String, notice: &Notice) {
    let digest = Digest::of(notice);
    let _ = writeln!(html, "<h1>{} events</h1>", digest.events);
    for group in shortened::groups(&digest) {
        let _ = write!(html, "<h2>{}</h2>\n<ul>\n", escaped(&group.line()));
        for (_, told) in shortened::matters(group) {
            let class = told.severity.name();
            let _ = write!(html, "<li class=\"{class}\">");
            let summary = one_line(&told.summary, shortened::LINE_CHARS_MAX);
            push_linked(html, &summary, told.link.as_deref());
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n");
        if let Some(rest) = shortened::rest_of(group) {
            let _ = writeln!(html, "<p class=\"left\">{rest}</p>");
        }
    }
    if let Some(rest) = shortened::rest(&digest) {
        let _ = writeln!(html, "<p class=\"left\">{rest}</p>");
    }
}

/// `text` as a link, when the address is one of the web: `javascript:` and the like are text.
fn push_linked(html: &mut String, text: &str, link: Option<&str>) {
    let link = link.map(|link| one_line(link, LINK_CHARS_MAX)).filter(|link| is_of_web(link));
    if let Some(link) = &link {
        html.push_str("<a href=\"");
        push_escaped(html, link);
        html.push_str("\">");
    }
    push_escaped(html, text);
    if link.is_some() {
        html.push_str("</a>");
    }
}

fn is_of_web(link: &str) -> bool {
    let starts = |scheme: &str| {
        link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    (starts("https://") || starts("http://")) && !link.contains(char::is_whitespace)
}

/// Lines with the class of what they are, neighbours of one class in one element.
fn push_patch(html: &mut String, patch: &str) {
    html.push_str("<pre>");
    let mut open = None;
    let shown = visible(patch);
    for line in shown.split_inclusive('\n') {
        let class = class_of(line);
        if open != Some(class) {
            if open.is_some() {
                html.push_str("</span>");
            }
            let _ = write!(html, "<span class=\"{class}\">");
            open = Some(class);
        }
        push_escaped(html, line);
    }
    if open.is_some() {
        html.push_str("</span>");
    }
    html.push_str("</pre>\n");
}

fn class_of(line: &str) -> &'static str {
    let starts = |start: &str| line.starts_with(start);
    match line.as_bytes().first() {
        _ if starts("+++ ") || starts("--- ") || starts("diff ") || starts("index ") => "file",
        Some(b'+') => "add",
        Some(b'-') if !starts("-- \n") => "del",
        Some(b'@') => "hunk",
        _ => "ctx",
    }
}

fn push_left_out(html: &mut String, whole: &str, kept: &str, what: &str) {
    if kept.len() < whole.len() {
        let rest = whole.len() - kept.len();
        let _ = writeln!(
            html,
            "<p class=\"left\">{rest} of {} bytes of this {what} are left out.</p>",
            whole.len()
        );
    }
}

fn push_footer(html: &mut String, notice: &Notice, sheet: &Sheet<'_>) {
    let is_own = notice.is_tubeposts_own();
    let because = if is_own { "because" } else { "because you subscribed" };
    let _ = write!(html, "<div class=\"foot\">\n<p>You get this mail {because}:</p>\n<ul>\n");
    for Reason { subscription, pattern, rule } in &notice.reasons {
        let name = escaped(&one_line(subscription, 200));
        if is_own {
            let _ = writeln!(html, "<li>{name}</li>");
            continue;
        }
        let _ = write!(html, "<li>{name} (topic {}); ", escaped(&one_line(pattern, 300)));
        match rule {
            Some(rule) => {
                let rule = escaped(&one_line(rule, 100));
                let _ = writeln!(html, "<code>tubepost notify rule edit {rule}</code></li>");
            }
            None => html.push_str("<code>[[notify.subscription]]</code></li>\n"),
        }
    }
    html.push_str("</ul>\n<p>");
    if let Some(url) = sheet.unsubscribe_url {
        push_linked(html, "Unsubscribe", Some(url));
    }
    if let (Some(_), Some(_)) = (sheet.unsubscribe_url, sheet.page_url) {
        html.push_str(" · ");
    }
    if let Some(url) = sheet.page_url {
        push_linked(html, url, Some(url));
    }
    html.push_str("</p>\n</div>\n");
}

fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_visible(&mut shown, text);
    shown
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    push_escaped(&mut html, text);
    html
}

/// As text of an element and as a value in double quotes.
fn push_escaped(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

/// Programs that drop styles show plain black on white, in the same order.
const HEAD: &str = include_str!("head.html");

#[cfg(test)]
mod tests;
