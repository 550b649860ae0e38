//! Git repositories: a bare one that receives, and a clone that pushes.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use crate::{Finished, Site, run};

/// A bare repository and a clone of it.
#[derive(Debug)]
pub struct Repository<'a> {
    site: &'a Site,
    /// The bare one.
    pub bare: PathBuf,
    /// The clone.
    pub clone: PathBuf,
}

impl<'a> Repository<'a> {
    /// Makes both, under this name.
    ///
    /// # Errors
    /// Git's own.
    pub fn new(site: &'a Site, name: &str) -> Result<Repository<'a>> {
        let bare = site.path(format!("git/{name}.git"));
        let clone = site.path(format!("clone/{name}"));
        fs::create_dir_all(&bare)?;
        let repository = Repository { site, bare, clone };
        let bare = repository.bare.display().to_string();
        let clone = repository.clone.display().to_string();
        repository
            .git(site.path("").as_path(), &["init", "--quiet", "--bare", "-b", "main", &bare])?;
        repository.git(site.path("").as_path(), &["clone", "--quiet", &bare, &clone])?;
        Ok(repository)
    }

    /// Commits a file with this text and message.
    ///
    /// # Errors
    /// Git's own.
    pub fn commit(&self, file: &str, text: impl AsRef<[u8]>, message: &str) -> Result<String> {
        fs::write(self.clone.join(file), text)?;
        self.in_clone(&["add", file])?;
        self.in_clone(&["commit", "--quiet", "-m", message])?;
        Ok(self.in_clone(&["rev-parse", "HEAD"])?.stdout.trim().to_owned())
    }

    /// Pushes the branch; how it went is for the test to judge.
    ///
    /// # Errors
    /// Git does not end.
    pub fn push(&self, arguments: &[&str]) -> Result<Finished> {
        let words = [&["push", "--quiet", "origin"], arguments].concat();
        run("git push", &mut self.command(&self.clone, &words), b"", 60)
    }

    /// Runs git in the clone.
    ///
    /// # Errors
    /// Git's own.
    pub fn in_clone(&self, arguments: &[&str]) -> Result<Finished> {
        self.git(&self.clone, arguments)
    }

    fn git(&self, directory: &std::path::Path, arguments: &[&str]) -> Result<Finished> {
        let label = format!("git {}", arguments.join(" "));
        let done = run(&label, &mut self.command(directory, arguments), b"", 60)?;
        ensure!(done.status.success(), "{label}: {}\n{}", done.status, done.stderr);
        Ok(done)
    }

    fn command(&self, directory: &std::path::Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        self.site.furnish(&mut command);
        command
            .current_dir(directory)
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            // As a git front end tells the hook who pushes.
            .env("REMOTE_USER", "ada")
            .env("GIT_AUTHOR_NAME", "Ada Lovelace")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada Lovelace")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org");
        command
    }
}
