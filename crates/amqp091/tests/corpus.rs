//! What fuzzing has found (`fuzz/corpus`), run once each as the fuzz targets run it: every input is
//! read or refused, and what was read is written as it was.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::{fs, path::Path};

use amqp091::{Assembler, Error, FieldTable, Frame, FrameDecoder, Method, PropertyList};
use bytes::{Bytes, BytesMut};

fn each(target: &str, run: impl Fn(Bytes)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut replayed = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        run(fs::read(file.unwrap().path()).unwrap().into());
        replayed += 1;
    }
    assert!(replayed >= 50, "{replayed} files in {}", corpus.display());
}

#[test]
fn frames() {
    each("frame", |octets| {
        let mut decoder = FrameDecoder::new();
        let mut assembler = Assembler::new(1 << 16);
        let mut inbox = BytesMut::from(&octets[..]);
        while let Ok(Some(frame)) = decoder.decode(&mut inbox) {
            let _ = take(&mut assembler, frame);
        }
    });
}

fn take(assembler: &mut Assembler, frame: Frame) -> Result<(), Error> {
    match frame {
        Frame::Method { payload, .. } => assembler.begin(Method::decode(&payload)?).map(drop),
        Frame::Header { payload, .. } => assembler.header(&payload).map(drop),
        Frame::Body { payload, .. } => assembler.body(payload).map(drop),
        Frame::Heartbeat => Ok(()),
    }
}

#[test]
fn methods() {
    each("method", |octets| {
        let Ok(method) = Method::decode(&octets) else { return };
        let mut written = BytesMut::new();
        method.encode(&mut written);
        assert_eq!(written.len(), octets.len(), "{method:?}");
        assert_eq!(Method::decode(&written.freeze()), Ok(method));
    });
}

#[test]
fn tables() {
    each("table", |octets| {
        let table = FieldTable::decode(&octets);
        let length = u32::try_from(octets.len()).unwrap().to_be_bytes();
        let list = [&[0x20, 0][..], &length, &octets].concat();
        let list = PropertyList::parse(list.into());
        assert_eq!(table.is_ok(), list.is_ok(), "decoding and walking differ on {octets:?}");
        let (Ok(table), Ok(list)) = (table, list) else { return };
        assert_eq!(list.headers(), Some(table.clone()));
        let mut written = BytesMut::new();
        table.encode(&mut written);
        assert_eq!(FieldTable::decode(&written.freeze().slice(4..)), Ok(table));
    });
}
