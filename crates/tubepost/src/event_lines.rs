//! Events of files, one JSON line for each. A line that is no event is told of and passed over.

use std::{
    fs::File,
    io::{BufRead, BufReader, stdin},
    path::PathBuf,
};

use event::Event;

use crate::{
    failure::{Failure, complain},
    terminal::shown,
};

/// Reads each file in turn, by its name for messages; `-`, and no file at all, is standard input.
/// Returns the sum of what `read` returns.
///
/// # Errors
/// A file cannot be opened; those of `read`.
pub(crate) fn of_files(
    files: &[&PathBuf],
    read: &mut dyn FnMut(&str, &mut dyn BufRead) -> Result<u64, Failure>,
) -> Result<u64, Failure> {
    const STANDARD_INPUT: &str = "standard input";
    if files.is_empty() {
        return read(STANDARD_INPUT, &mut stdin().lock());
    }
    let mut sum = 0;
    for file in files {
        let place = shown(&file.display().to_string()).into_owned();
        sum += match place.as_str() {
            "-" => read(STANDARD_INPUT, &mut stdin().lock())?,
            _ => {
                let opened = File::open(file).map_err(|error| {
                    Failure::failed(format!("{place}: cannot be opened: {error}"))
                })?;
                read(&place, &mut BufReader::new(opened))?
            }
        };
    }
    Ok(sum)
}

/// Hands on the events of one input with their lines' numbers; returns how many lines were none.
///
/// # Errors
/// The input cannot be read; those of `each`.
pub(crate) fn read(
    place: &str,
    input: &mut (impl BufRead + ?Sized),
    mut each: impl FnMut(u64, Event) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut wrong = 0;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let unreadable = |error: std::io::Error| {
            Failure::failed(format!("{place}, line {number}: cannot be read: {error}"))
        };
        let mut bounded = std::io::Read::take(&mut *input, LINE_BYTES_MAX + 1);
        let read = bounded.read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let event = if line.len() as u64 > LINE_BYTES_MAX {
            input.skip_until(b'\n').map_err(unreadable)?;
            Err(format!("has more than {} MiB; leave it out", LINE_BYTES_MAX >> 20))
        } else {
            event_of(&line)
        };
        match event {
            Ok(event) => each(number, event)?,
            Err(reason) => {
                wrong += 1;
                complain(&shown(&format!("{place}, line {number}: {reason}")));
            }
        }
    }
    Ok(wrong)
}

fn event_of(line: &[u8]) -> Result<Event, String> {
    const MEND: &str = "write {\"topic\": \"org.example.door\", \"body\": {…}}";
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("is not UTF-8 from byte {}; {MEND}", error.valid_up_to() + 1))?;
    Event::from_dump(text).map_err(|error| format!("is no event: {error}; {MEND}"))
}

/// What the bus carries at most, with room for JSON's escapes.
const LINE_BYTES_MAX: u64 = 128 << 20;
