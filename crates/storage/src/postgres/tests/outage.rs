//! A server that goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use roadbed_plan::database::RunError;
use roadbed_plan::planner::Limits;
use roadbed_plan::{Clock, Database, Engine, EngineError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::server::{body, read, session, with_database, with_server};
use crate::postgres::{PostgresEngine, PostgresOptions};

const BOOKS: &str = "create table books (id int); insert into books values (1); grant select, insert on books to anon;";

#[test]
fn a_read_whose_connection_was_closed_goes_on_with_another() {
    with_database("a_read_whose_connection_was_closed", BOOKS, async |asker| {
        assert_eq!(asker.read("anon", "books", "id").await, r#"[{"id":1}]"#);
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
            where application_name = 'roadbed' and datname = current_database()";
        asker.owner.batch_execute(kill).await.unwrap();
        assert_eq!(asker.read("anon", "books", "id").await, r#"[{"id":1}]"#);
    });
}

#[test]
fn an_absent_server_is_unavailable_until_it_is_back() {
    with_server("an_absent_server", async |server| {
        server.migrate(BOOKS).await;
        let port = free_port().await;
        let mut config = server.engine.config.clone();
        let target = config.clone();
        config = through(&config, port);
        let clock = Clock::manual(0);
        let engine = PostgresEngine::with_config(config, PostgresOptions::default(), clock.clone());
        assert!(matches!(engine.ping().await, Err(EngineError::Unavailable { .. })));

        let door = open_door(port, target.clone()).await;
        assert!(matches!(engine.ping().await, Err(EngineError::Unavailable { .. })), "nobody tries during the backoff");
        clock.advance(1);
        engine.ping().await.unwrap();
        let database = Database::open(Arc::new(engine), Limits::default()).await.unwrap();
        let ask = async || database.run(&session("anon", ""), read("books", "id")).await;
        assert_eq!(body(ask().await), r#"[{"id":1}]"#);

        door.abort();
        // The connections through the door end with it; how soon the driver sees that is its own affair.
        while !matches!(ask().await, Err(RunError::Engine(EngineError::Unavailable { .. }))) {
            tokio::task::yield_now().await;
        }
        let _door = open_door(port, target).await;
        clock.advance(60);
        assert_eq!(body(ask().await), r#"[{"id":1}]"#);
    });
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// The same database by way of a local port.
fn through(config: &Config, port: u16) -> Config {
    let mut through = Config::new();
    through.host("127.0.0.1").port(port).connect_timeout(Duration::from_secs(5)).application_name("roadbed");
    through.dbname(config.get_dbname().unwrap_or("postgres")).user(config.get_user().unwrap_or("postgres"));
    if let Some(password) = config.get_password() {
        through.password(password);
    }
    through
}

/// Lets connections through to the server until the task is aborted.
async fn open_door(port: u16, target: Config) -> JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        let mut guests = tokio::task::JoinSet::new();
        loop {
            let (guest, _) = listener.accept().await.unwrap();
            guests.spawn(lead(guest, target.clone()));
        }
    })
}

async fn lead(mut guest: TcpStream, target: Config) {
    let port = target.get_ports().first().copied().unwrap_or(5432);
    let led = match target.get_hosts().first() {
        Some(Host::Unix(folder)) => {
            let mut server = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await.unwrap();
            copy_bidirectional(&mut guest, &mut server).await
        }
        Some(Host::Tcp(name)) => {
            let mut server = TcpStream::connect((name.as_str(), port)).await.unwrap();
            copy_bidirectional(&mut guest, &mut server).await
        }
        None => return,
    };
    // A guest that leaves in the middle is what these tests are about.
    drop(led);
}
