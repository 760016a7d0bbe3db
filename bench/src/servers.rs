//! The contestants as processes of their own, over fresh databases with the same rows.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use miette::{IntoDiagnostic, Result, miette};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::by_hand;
use crate::cpu::{self, Processes};
use crate::load::Watched;
use crate::work::{Contestant, Engine};
use crate::world::World;

const DATABASE: &str = "roadbed_bench";

/// Both servers of one engine, until dropped.
pub(crate) struct Servers {
    roadbed: Server,
    by_hand: Server,
    database: Option<Processes>,
    places: Places,
    /// The databases of SQLite and Roadbed's folder; goes last.
    _folder: TempDir,
}

pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

/// Where each contestant's rows are.
enum Places {
    Files {
        roadbed: PathBuf,
        by_hand: PathBuf,
    },
    /// Both use the same tables.
    Postgres {
        url: String,
    },
}

impl Places {
    fn of(&self, contestant: Contestant) -> String {
        match (self, contestant) {
            (Self::Files { roadbed, .. }, Contestant::Roadbed) => format!("sqlite:{}", roadbed.display()),
            (Self::Files { by_hand, .. }, Contestant::ByHand) => by_hand.display().to_string(),
            (Self::Postgres { url }, _) => url.clone(),
        }
    }
}

impl Servers {
    /// # Errors
    /// When a database cannot be filled or a server does not start.
    pub(crate) async fn start(engine: Engine, world: &World, roadbed: &Path, postgres: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir().into_diagnostic()?;
        world.write_folder(folder.path()).into_diagnostic()?;
        let places = match engine {
            Engine::Sqlite => {
                let files = ["roadbed.sqlite", "by-hand.sqlite"].map(|name| folder.path().join(name));
                by_hand::make_file(&files[1], world).into_diagnostic()?;
                let [roadbed, by_hand] = files;
                Places::Files { roadbed, by_hand }
            }
            Engine::Postgres => {
                let url = postgres.ok_or_else(|| miette!("`--postgres` is needed"))?;
                Places::Postgres { url: fresh_database(url).await? }
            }
        };
        let address = places.of(Contestant::Roadbed);
        for command in [["migrate", "up"], ["db", "seed"]] {
            run(program(roadbed).args(command).arg(folder.path()).args(["--database", &address]))?;
        }
        let database = match &places {
            Places::Files { .. } => None,
            Places::Postgres { url } => prepared(url).await?,
        };
        let mut command = program(roadbed);
        command.arg("serve").arg(folder.path()).args(["--database", &address, "--listen"]);
        let roadbed = Server::start(command)?;
        let mut command = Command::new(std::env::current_exe().into_diagnostic()?);
        let name = match engine {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        };
        command.args(["by-hand", name, &places.of(Contestant::ByHand)]);
        let by_hand = Server::start(command)?;
        Ok(Self { roadbed, by_hand, database, places, _folder: folder })
    }

    pub(crate) fn of(&self, contestant: Contestant) -> &Server {
        match contestant {
            Contestant::Roadbed => &self.roadbed,
            Contestant::ByHand => &self.by_hand,
        }
    }

    pub(crate) fn watched(&self, contestant: Contestant) -> Watched {
        Watched { server: Processes::One(self.of(contestant).process.id()), database: self.database }
    }

    /// The rows of `posts` that the contestant's database has, asked past both servers.
    pub(crate) async fn posts(&self, contestant: Contestant) -> Result<usize> {
        const COUNT: &str = "select count(*) from posts";
        let count = match &self.places {
            Places::Files { roadbed, by_hand } => {
                let file = match contestant {
                    Contestant::Roadbed => roadbed,
                    Contestant::ByHand => by_hand,
                };
                let connection = rusqlite::Connection::open(file).into_diagnostic()?;
                connection.query_row(COUNT, (), |row| row.get::<_, i64>(0)).into_diagnostic()?
            }
            Places::Postgres { url } => {
                connect(url).await?.query_one(COUNT, &[]).await.into_diagnostic()?.get::<_, i64>(0)
            }
        };
        usize::try_from(count).into_diagnostic()
    }
}

/// Roadbed with its folder's settings alone: it refuses variables that are none of its own.
fn program(roadbed: &Path) -> Command {
    let mut command = Command::new(roadbed);
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROADBED_"));
    ours.for_each(|(name, _)| _ = command.env_remove(name));
    command
}

impl Server {
    /// Starts `command` with a free address added, and waits until it can be connected to.
    fn start(mut command: Command) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).into_diagnostic()?;
        command.arg(address.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().into_diagnostic()?;
        let mut server = Self { process, address };
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(address).is_err() {
            let ended = server.process.try_wait().into_diagnostic()?.is_some();
            if ended || Instant::now() > until {
                return Err(miette!("this server did not start: {command:?}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().into_diagnostic()?;
    if output.status.success() {
        return Ok(());
    }
    Err(miette!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Makes the yardstick's own database anew, and gives its address.
async fn fresh_database(url: &str) -> Result<String> {
    let client = connect(url).await?;
    for statement in ["drop database if exists", "create database"] {
        client.batch_execute(&format!("{statement} {DATABASE}")).await.into_diagnostic()?;
    }
    Ok(with_database(url))
}

fn with_database(url: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, String::new()), |(url, rest)| (url, format!("?{rest}")));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let server = address[authority..].find('/').map_or(address, |at| &address[..authority + at]);
    format!("{server}/{DATABASE}{options}")
}

/// Settles the database after the load of its rows, and finds its processes.
async fn prepared(url: &str) -> Result<Option<Processes>> {
    let client = connect(url).await?;
    for statement in ["vacuum analyze", "checkpoint"] {
        client.batch_execute(statement).await.into_diagnostic()?;
    }
    let backend: i32 = client.query_one("select pg_backend_pid()", &[]).await.into_diagnostic()?.get(0);
    Ok(u32::try_from(backend).ok().and_then(cpu::parent_of).map(Processes::Family))
}

async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.into_diagnostic()?;
    tokio::spawn(connection);
    Ok(client)
}
