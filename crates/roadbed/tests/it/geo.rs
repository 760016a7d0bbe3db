//! GeoJSON, which PostGIS makes. Where it is not installed, cases tell that nothing is offered.

use crate::harness::{Ask, On, Setup, World, engines, say};

const SCHEMA: &str = "
create schema geo;
create extension postgis schema geo;
create table places (id int primary key, name text, at geo.geometry(point, 4326));
create table plain (id int primary key);
create function near(most int) returns setof places language sql stable as $$ select * from places where id <= most order by id $$;
grant usage on schema geo to anon;
grant select, insert on places, plain to anon;";

const ROWS: &str = "
insert into places values (1, 'here', geo.st_setsrid(geo.st_makepoint(1, 2), 4326)), (2, 'there', geo.st_setsrid(geo.st_makepoint(-3.5, 4), 4326));";

fn feature(id: i32, name: &str, geometry: &str) -> String {
    format!(r#"{{"type": "Feature", "geometry": {geometry}, "properties": {{"id": {id}, "name": "{name}"}}}}"#)
}

fn collection(features: &[String]) -> String {
    format!(r#"{{"type" : "FeatureCollection", "features" : [{}]}}"#, features.join(", "))
}

#[tokio::test]
async fn rows_are_features_where_postgis_is_installed() {
    if !engines("GeoJSON").contains(&On::Postgres) {
        return;
    }
    let setup = Setup::new(SCHEMA).rows(ROWS);
    let world = match World::try_new(On::Postgres, &setup).await {
        Ok(world) => world,
        Err(error) if error.contains("extension \"postgis\" is not available") => {
            return say("GEOJSON IS NOT TESTED: POSTGIS IS NOT INSTALLED");
        }
        Err(error) => panic!("{error}"),
    };
    let here = feature(1, "here", r#"{"type":"Point","coordinates":[1,2]}"#);
    let there = feature(2, "there", r#"{"type":"Point","coordinates":[-3.5,4]}"#);
    let all = collection(&[here.clone(), there]);
    for (path, body) in [
        ("/places?order=id", all.as_str()),
        ("/places?id=eq.1", &collection(std::slice::from_ref(&here))),
        ("/places?id=eq.9", &collection(&[])),
        ("/rpc/near?most=1", &collection(std::slice::from_ref(&here))),
        ("/rpc/near?most=2", &all),
    ] {
        let answer = world.ask(&Ask::get(path).header("Accept", "application/geo+json")).await;
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/geo+json; charset=utf-8"));
    }
    let rows = world.ask(&Ask::get("/places?id=eq.2&select=id,at")).await.json();
    assert_eq!(rows[0]["at"]["coordinates"], serde_json::json!([-3.5, 4]));
    let empty = world.ask(&Ask::get("/plain").header("Accept", "application/geo+json")).await;
    assert_eq!((empty.status, empty.text()), (200, collection(&[]).as_str()), "no rows have no geometry to miss");
    world.end().await;
}
