//! FUSE's requests, each one operation on the medium. Nothing is cached by the kernel: it asks
//! again each time, so that after a loss of power nobody sees what is gone.

use std::{
    ffi::OsStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::{
    content::PAGE,
    directory::Directory,
    file::File,
    medium::{Kind, Medium, Node},
};

/// What FUSE talks to.
pub(crate) struct Operations(pub(crate) Arc<Mutex<Medium>>);

/// The kernel remembers nothing.
const NO_TIME: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);

/// A medium so large that nobody runs out of it, in pages.
const PAGES: u64 = 1 << 28;
const NAME_BYTES_MAX: u32 = 255;

impl Operations {
    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The medium, for somebody who changes it.
    fn medium_for(&self, request: &Request) -> MutexGuard<'_, Medium> {
        let mut medium = self.medium();
        medium.faults.caller = request.pid();
        medium
    }

    fn make(
        &self,
        parent: INodeNo,
        name: &OsStr,
        kind: Kind,
        mode: u32,
        request: &Request,
    ) -> Result<FileAttr, Errno> {
        let (mode, owner) = ((mode & 0o7777) as u16, (request.uid(), request.gid()));
        let node = Node { kind, mode, owner, changed: SystemTime::now() };
        let mut medium = self.medium_for(request);
        let number = medium.make(parent.0, name, node)?;
        attributes(&medium, number)
    }

    fn found(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let medium = self.medium();
        attributes(&medium, medium.lookup(parent.0, name)?)
    }
}

fn attributes(medium: &Medium, number: u64) -> Result<FileAttr, Errno> {
    let node = medium.node(number)?;
    let (kind, size) = match &node.kind {
        Kind::File(file) => (FileType::RegularFile, file.cached().size()),
        Kind::Directory(_) => (FileType::Directory, PAGE),
    };
    Ok(FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: node.changed,
        mtime: node.changed,
        ctime: node.changed,
        crtime: node.changed,
        kind,
        perm: node.mode,
        nlink: 1,
        uid: node.owner.0,
        gid: node.owner.1,
        rdev: 0,
        blksize: PAGE as u32,
        flags: 0,
    })
}

fn answer(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(attributes) => reply.entry(&NO_TIME, &attributes, GENERATION),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Operations {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.found(parent, name), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attributes(&self.medium(), ino.0) {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut medium = self.medium_for(request);
        let mut change = || {
            if let Some(mode) = mode {
                medium.node_mut(ino.0)?.mode = (mode & 0o7777) as u16;
            }
            if let Some(size) = size {
                medium.set_size(ino.0, size)?;
            }
            attributes(&medium, ino.0)
        };
        match change() {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let kind = Kind::Directory(Directory::default());
        answer_entry(self.make(parent, name, kind, mode & !umask, request), reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let kind = Kind::File(File::default());
        match self.make(parent, name, kind, mode & !umask, request) {
            Ok(attributes) => {
                let flags = FopenFlags::FOPEN_DIRECT_IO;
                reply.created(&NO_TIME, &attributes, GENERATION, FileHandle(0), flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.medium_for(request).remove(parent.0, name), reply);
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.medium_for(request).remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        from: &OsStr,
        new_parent: INodeNo,
        to: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if parent != new_parent {
            return reply.error(Errno::EXDEV);
        }
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        answer(self.medium_for(request).rename(parent.0, from, to), reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.medium().file(ino.0) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.medium().file(ino.0) {
            Ok(file) => reply.data(&file.cached().read(offset, size.into())),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.medium_for(request).write(ino.0, offset, data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let mut medium = self.medium_for(request);
        let size = medium.file(ino.0).map(|file| file.cached().size());
        let end = offset.saturating_add(length);
        answer(size.and_then(|size| medium.set_size(ino.0, size.max(end))), reply);
    }

    fn fsync(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.medium_for(request).sync(ino.0), reply);
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.medium_for(request).sync(ino.0), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let medium = self.medium();
        let directory = match medium.directory(ino.0) {
            Ok(directory) => directory,
            Err(error) => return reply.error(error),
        };
        let selves = [(OsStr::new("."), ino.0), (OsStr::new(".."), ino.0)];
        let names = directory.cached().iter().map(|(name, number)| (name.as_os_str(), *number));
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        for (index, (name, number)) in selves.into_iter().chain(names).enumerate().skip(skipped) {
            let is_file = medium.file(number).is_ok();
            let kind = if is_file { FileType::RegularFile } else { FileType::Directory };
            if reply.add(INodeNo(number), index as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(PAGES, PAGES, PAGES, PAGES, PAGES, PAGE as u32, NAME_BYTES_MAX, PAGE as u32);
    }
}
