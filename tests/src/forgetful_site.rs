//! A site whose server keeps its data on a file system that forgets what was not synced.

use std::fs;

use anyhow::{Context as _, Result};
use forgetful_fs::ForgetfulFs;

use crate::{Load, Server, Site};

/// The site, its file system, and the load for its server. Taken apart, name the site first: what
/// is named first is dropped last, and its directory can only go when nothing is mounted in it.
#[derive(Debug)]
pub struct ForgetfulSite {
    /// The file system; the server makes its data directory in it by itself.
    pub fs: ForgetfulFs,
    /// Where the server is.
    pub site: Site,
    /// What its clients do, and what they were promised.
    pub load: Load,
}

impl ForgetfulSite {
    /// An empty one, with segments of so many bytes; none where FUSE cannot be mounted, which the
    /// test's output says.
    ///
    /// # Errors
    /// There is no binary to test, or no temporary directory.
    pub fn new(seed: u64, segment_bytes: u64) -> Result<Option<ForgetfulSite>> {
        let mut site = Site::new()?;
        let disk = site.path("disk");
        fs::create_dir(&disk)?;
        let fs = match ForgetfulFs::mount(&disk) {
            Ok(fs) => fs,
            Err(error) => {
                println!("skipped: FUSE cannot be mounted here (root, /dev/fuse needed): {error}");
                return Ok(None);
            }
        };
        site.keep_data_in(disk.join("data"));
        site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", &segment_bytes.to_string());
        let load = Load::new(&site.amqp_url(), seed)?;
        Ok(Some(ForgetfulSite { fs, site, load }))
    }

    /// Starts the server after a loss of power.
    ///
    /// # Errors
    /// It does not come up.
    pub fn serve(&self) -> Result<Server> {
        self.site.serve().context("the server does not come up after the loss of power")
    }
}
