//! `tubepost hook git`: a repository that tells of its pushes.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io::{Read, Seek, stdin},
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use client::Spool;
use intake::git::{self, RefUpdate, Removed, Repository, Rules};

use crate::{
    cli,
    config::{AnyDeclared, Config, Environment, Origin, Settings, Verb, options, table},
    failure::{Failure, complain, remark},
    schemas,
};

pub(crate) fn command() -> Command {
    let install = Command::new("install")
        .about("Write a post-receive hook into a repository, bare or with a work tree")
        .arg(
            Arg::new("repository")
                .value_name("REPOSITORY")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The repository's directory"),
        )
        .arg(
            Arg::new("remove")
                .long("remove")
                .action(ArgAction::SetTrue)
                .help("Take the hook out again; one that was there before comes back"),
        )
        .after_help(
            "Examples:\n  \
             tubepost hook git install /srv/git/rpms/bash.git\n  \
             tubepost hook git install . --topic-prefix org.example --namespace parent\n  \
             tubepost hook git install /srv/git/rpms/bash.git --remove\n\n\
             Options given here are written into the hook. A hook that is there already is kept and\n\
             called first. A push never fails and never waits for the bus: events go to the spool.",
        );
    let run = Command::new("run")
        .about("Tell of a push: what the hook calls, with git's lines on standard input")
        .after_help(
            "Examples:\n  \
             echo \"$old $new refs/heads/main\" | GIT_DIR=. tubepost hook git run",
        );
    let git = Command::new("git")
        .about("Pushes to git repositories")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(cli::with_options(install, Verb::HookGit))
        .subcommand(cli::with_options(run, Verb::HookGit));
    Command::new("hook")
        .about("Make something tell of what happens in it")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(git)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand().and_then(|(_, git)| git.subcommand()) {
        Some(("install", matches)) => install(matches),
        Some(("run", matches)) => {
            // Whatever is wrong, the push was right: one line for the person who pushed, exit 0.
            if let Err(failure) = tell(matches) {
                complain(&one_line(failure));
            }
            Ok(())
        }
        _ => Err(Failure::called_wrongly("no command; see tubepost hook git --help")),
    }
}

fn install(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(repository) = matches.get_one::<PathBuf>("repository") else {
        return Err(Failure::called_wrongly("no repository; see tubepost hook git install --help"));
    };
    if matches.get_flag("remove") {
        remark(&match git::remove(repository)? {
            Removed::Nothing => format!("{}: there is no hook", repository.display()),
            Removed::Gone(path) => format!("{}: removed", path.display()),
            Removed::Restored(path) => {
                format!("{}: removed; the hook from before is back", path.display())
            }
        });
        return Ok(());
    }
    let settings = cli::settings(matches)?;
    let config = Config::check(&settings)?;
    schemas::registry(&config.schemas)?;
    let installed = git::install(repository, &hook_command(matches, &settings)?)?;
    remark(&format!("{}: installed; each push will be told", installed.path.display()));
    if let Some(chained) = installed.chained {
        remark(&format!("{}: the hook from before, called first", chained.display()));
    }
    if installed.shared {
        remark(
            "this directory is shared (core.hooksPath): every repository that uses it tells now",
        );
    }
    Ok(())
}

// What the hook runs: this program by its absolute path, with the flags that were given here.
fn hook_command(matches: &ArgMatches, settings: &Settings) -> Result<Vec<OsString>, Failure> {
    let mut command: Vec<OsString> = vec![program()?.into()];
    command.extend(["hook", "git", "run"].map(OsString::from));
    if let Some(file) = cli::config_file(matches) {
        command.push(flag("config", absolute(file)?));
    }
    for option in options() {
        let declaration = option.declaration();
        let Some(setting) = settings.said(declaration.key) else { continue };
        let (Origin::Flag(_), Some(name)) = (&setting.origin, declaration.flag) else { continue };
        command.push(match declaration.key {
            key if key == table::SCHEMAS.declaration.key => {
                flag(name, absolute_places(&setting.text)?)
            }
            key if PATHS.contains(&key) => flag(name, absolute(Path::new(&setting.text))?),
            _ => flag(name, &setting.text),
        });
    }
    Ok(command)
}

/// Several with commas between; what is an address stays as it is.
fn absolute_places(text: &str) -> Result<OsString, Failure> {
    let place = |place: &str| match place.contains("://") {
        true => Ok(OsString::from(place)),
        false => absolute(Path::new(place)).map(PathBuf::into_os_string),
    };
    let places = text.split(',').map(|it| place(it.trim())).collect::<Result<Vec<_>, _>>()?;
    Ok(places.join(OsStr::new(",")))
}

fn flag(name: &str, value: impl Into<OsString>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value.into());
    flag
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::failed(format!("{}: cannot be found: {error}", path.display())))
}

fn program() -> Result<PathBuf, Failure> {
    env::current_exe()
        .map_err(|error| Failure::failed(format!("tubepost: cannot find itself: {error}")))
}

fn tell(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = cli::settings(matches)?;
    let config = Config::check(&settings)?;
    let mut input = Vec::new();
    stdin().take(INPUT_BYTES_MAX).read_to_end(&mut input).map_err(|error| {
        Failure::failed(format!("standard input: git's lines cannot be read: {error}"))
    })?;
    let updates = RefUpdate::parse_all(&input)?;
    let environment = settings.environment();
    let git_dir = environment.get("GIT_DIR").unwrap_or_else(|| ".".to_owned());
    let repository = Repository::open(Path::new(&git_dir))?;
    let mut events = git::read_push(&repository, &updates, &rules(&config, environment))?;
    if events.is_empty() {
        return Ok(());
    }
    let registry = schemas::registry_at_hand(&config.schemas)?;
    let key = config.signing.signing_key()?;
    for event in &mut events {
        let completed = registry.complete(event);
        let signed = completed.and_then(|()| key.as_ref().map_or(Ok(()), |key| key.sign(event)));
        signed.map_err(|error| Failure::failed(error.to_string()))?;
    }
    let spool = Spool::open(&config.spool_directory, config.spool_size_max)?;
    spool.hand_over(&events)?;
    start_agent(&settings, spool.directory())
}

fn rules(config: &Config, environment: &Environment) -> Rules {
    Rules {
        topic_prefix: config.topic_prefix.clone(),
        agent: git::pusher(|name| environment.get(name)),
        namespace: config.git.namespace.clone(),
        url_template: config.git.url_template.clone(),
        patch_bytes_max: usize::try_from(config.git.patch_bytes_max).unwrap_or(usize::MAX),
        commits_max: usize::try_from(config.git.commits_max.get()).unwrap_or(usize::MAX),
    }
}

// The push ends when git's pipes are closed, so the agent must not hold them; and it must outlive
// the push, so it makes a session of its own. The bus, if it is away, is its business.
fn start_agent(settings: &Settings, spool: &Path) -> Result<(), Failure> {
    let mut agent = Process::new(program()?);
    // It leaves the repository, so it gets no relative paths.
    agent.current_dir("/").args(["agent", "--until-empty", "--detached"]);
    agent.arg(flag("spool", absolute(spool)?));
    if let Some(file) = settings.file() {
        agent.arg(flag("config", absolute(file)?));
    }
    let options = options().filter(|option| option.declaration().verbs.contains(&Verb::Agent));
    for declaration in options.map(AnyDeclared::declaration) {
        let said = settings.said(declaration.key);
        let (Some(setting), Some(name)) = (said, declaration.flag) else { continue };
        if matches!(setting.origin, Origin::Flag(_)) && declaration.key != SPOOL {
            agent.arg(flag(name, &setting.text));
        }
    }
    let log = agent_log(spool).map_or_else(Stdio::null, Stdio::from);
    agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    match agent.spawn() {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::failed(format!(
            "the events wait in {}, but no agent could be started: {error}; run tubepost agent",
            spool.display()
        ))),
    }
}

// Among the batches, whose names are their own; begun anew when it is large.
fn agent_log(spool: &Path) -> Option<File> {
    let path = spool.join("agent.log");
    let mut log = OpenOptions::new().create(true).append(true).open(path).ok()?;
    if log.metadata().ok()?.len() > LOG_BYTES_MAX {
        log.set_len(0).and_then(|()| log.rewind()).ok()?;
    }
    Some(log)
}

fn one_line(failure: Failure) -> String {
    match failure {
        Failure::Failed(lines) | Failure::CalledWrongly(lines) => {
            let lines: Vec<&str> = lines.iter().flat_map(|line| line.lines().next()).collect();
            format!("nobody was told of this push: {}", lines.join("; "))
        }
        Failure::NobodyReads | Failure::Said(_) => "nobody was told of this push".to_owned(),
    }
}

/// A hundred thousand refs and more.
const INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;
const SPOOL: &str = table::SPOOL_DIRECTORY.declaration.key;
/// Options that are a path.
const PATHS: [&str; 3] =
    [SPOOL, table::SCHEMAS_CACHE.declaration.key, table::SIGN_KEY.declaration.key];
const LOG_BYTES_MAX: u64 = 1024 * 1024;
