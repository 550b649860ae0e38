//! A feed as Atom (RFC 4287) or RSS 2.0. Pure. What notices say is text: it is HTML only after it
//! was escaped once, and XML after it was escaped again.

use std::fmt::Write;

use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use uuid::Uuid;

use super::feed_url;
use crate::store::{FEED_ENTRIES_MAX, FeedContent, FeedEntry};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// RFC 4287.
    Atom,
    /// RSS 2.0, for readers that know no Atom.
    Rss,
}

impl Form {
    /// At the end of the address: `atom`.
    pub const fn extension(self) -> &'static str {
        match self {
            Form::Atom => "atom",
            Form::Rss => "rss",
        }
    }

    /// The form of an address that ends so.
    pub fn named(extension: &str) -> Option<Form> {
        [Form::Atom, Form::Rss].into_iter().find(|form| form.extension() == extension)
    }

    /// What HTTP calls it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Form::Atom => "application/atom+xml; charset=utf-8",
            Form::Rss => "application/rss+xml; charset=utf-8",
        }
    }
}

/// A feed as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// XML in UTF-8.
    pub text: String,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Writes a feed that is served below `base`.
pub(super) fn write(content: &FeedContent, form: Form, base: &str, secret: &str) -> Document {
    let newest = content.entries.iter().map(|entry| entry.at).max();
    let updated_at = newest.unwrap_or(content.made_at);
    let own = feed_url(base, secret, form);
    let text = match form {
        Form::Atom => atom(content, updated_at, base, &own),
        Form::Rss => rss(content, updated_at, base, &own),
    };
    Document { text, updated_at }
}

fn atom(content: &FeedContent, updated_at: Timestamp, base: &str, own: &str) -> String {
    let id = Uuid::new_v5(&FEEDS, content.id.as_bytes());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>urn:uuid:{id}</id>\n<title>{}</title>\n<updated>{updated_at}</updated>\n\
         <author><name>Tubepost</name></author>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{}\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{}/\"/>\n",
        xml_of(&title(content)),
        xml_of(own),
        xml_of(base),
    );
    for entry in content.entries.iter().take(FEED_ENTRIES_MAX) {
        let _ = write!(
            xml,
            "<entry>\n<id>urn:uuid:{}</id>\n<title>{}</title>\n<updated>{}</updated>\n",
            xml_of(&entry.key),
            xml_of(&entry.title),
            entry.at
        );
        if let Some(author) = &entry.author {
            let _ = writeln!(xml, "<author><name>{}</name></author>", xml_of(author));
        }
        if let Some(link) = &entry.link {
            let _ = writeln!(xml, "<link rel=\"alternate\" href=\"{}\"/>", xml_of(link));
        }
        for reason in &entry.reasons {
            let _ = writeln!(xml, "<category term=\"{}\"/>", xml_of(reason));
        }
        let html = xml_of(&html_of(entry));
        let _ = write!(xml, "<content type=\"html\">{html}</content>\n</entry>\n");
    }
    xml.push_str("</feed>\n");
    xml
}

fn rss(content: &FeedContent, updated_at: Timestamp, base: &str, own: &str) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n<channel>\n\
         <title>{}</title>\n<link>{}/</link>\n\
         <description>Notices that the rules of this feed's owner ask for</description>\n\
         <lastBuildDate>{}</lastBuildDate>\n<generator>Tubepost</generator>\n\
         <atom:link rel=\"self\" type=\"application/rss+xml\" href=\"{}\"/>\n",
        xml_of(&title(content)),
        xml_of(base),
        mail_date(updated_at),
        xml_of(own),
    );
    for entry in content.entries.iter().take(FEED_ENTRIES_MAX) {
        // RSS does not say whether a title is HTML, and many readers take it for that.
        let _ = write!(
            xml,
            "<item>\n<guid isPermaLink=\"false\">urn:uuid:{}</guid>\n<title>{}</title>\n\
             <pubDate>{}</pubDate>\n",
            xml_of(&entry.key),
            xml_of(&xml_of(&entry.title)),
            mail_date(entry.at)
        );
        if let Some(author) = &entry.author {
            let _ = writeln!(xml, "<dc:creator>{}</dc:creator>", xml_of(author));
        }
        if let Some(link) = &entry.link {
            let _ = writeln!(xml, "<link>{}</link>", xml_of(link));
        }
        for reason in &entry.reasons {
            let _ = writeln!(xml, "<category>{}</category>", xml_of(reason));
        }
        let html = xml_of(&html_of(entry));
        let _ = write!(xml, "<description>{html}</description>\n</item>\n");
    }
    xml.push_str("</channel>\n</rss>\n");
    xml
}

fn title(content: &FeedContent) -> String {
    format!("Tubepost: {}", content.owner)
}

/// What a reader shows below the title: HTML with nothing in it but the text.
fn html_of(entry: &FeedEntry) -> String {
    let text = match entry.text.is_empty() {
        true => &entry.title,
        false => &entry.text,
    };
    let mut html = format!("<pre>{}</pre>", xml_of(text));
    if let Some(link) = &entry.link {
        let link = xml_of(link);
        let _ = write!(html, "<p><a href=\"{link}\">{link}</a></p>");
    }
    let reasons: Vec<String> = entry.reasons.iter().map(|reason| xml_of(reason)).collect();
    let _ = write!(html, "<p>You subscribed: {}</p>", reasons.join(", "));
    html
}

/// Text as it stands in an element or a quoted attribute, of HTML and of XML alike. What XML 1.0
/// §2.2 has no place for is replaced.
fn xml_of(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&#39;"),
            '\n' | '\t' => xml.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

/// RFC 822's date, with the year in full.
fn mail_date(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_string(&at).unwrap_or_default()
}

/// The namespace of feeds' ids.
const FEEDS: Uuid = Uuid::from_u128(0x2f0b_9a5e_77c1_4e0d_8a36_51d4_c6be_0a11);
