use crate::workspace::{backends, member_called, members};

#[test]
fn dependencies_point_in_one_direction() {
    let backends: Vec<&str> = backends().iter().map(|backend| &*backend.name).collect();
    for member in members() {
        let allowed = may_use(&member.name, &backends);
        for dependency in &member.dependencies {
            let in_tests = match dependency.is_for_development {
                true => may_use_in_tests(&member.name, &backends),
                false => Vec::new(),
            };
            assert!(
                allowed.contains(&&*dependency.name) || in_tests.contains(&&*dependency.name),
                "{} must not depend on {}: it may on {allowed:?}, and in its tests on {:?}",
                member.name,
                dependency.name,
                may_use_in_tests(&member.name, &backends)
            );
        }
    }
}

#[test]
fn no_backend_sees_another() {
    let backends = backends();
    for backend in &backends {
        for other in &backends {
            assert!(
                backend
                    .dependencies
                    .iter()
                    .all(|used| used.name != other.name),
                "{} depends on {}",
                backend.name,
                other.name
            );
        }
    }
}

#[test]
fn the_test_server_knows_nothing_of_pools() {
    let names: Vec<&str> = member_called("respool-testserver")
        .dependencies
        .iter()
        .map(|dependency| &*dependency.name)
        .collect();
    assert!(names.is_empty(), "respool-testserver depends on {names:?}");
}

const CONTRACT: &str = "respool-core";
const CONNECT: &str = "respool-connect";
const KIT: &str = "respool-conformance";
const TEST_SERVER: &str = "respool-testserver";
const FACADE: &str = "respool";

/// core <- connect <- backends <- respool <- {cli, benches};
/// {core, connect, testserver} <- conformance <- cli
fn may_use<'a>(name: &str, backends: &[&'a str]) -> Vec<&'a str> {
    let below_the_facade = [&[CONTRACT, CONNECT], backends].concat();
    match name {
        CONTRACT | TEST_SERVER | "xtask" => vec![],
        CONNECT => vec![CONTRACT],
        // For the bridge to another major of the redis crate.
        KIT => vec![CONTRACT, CONNECT, TEST_SERVER],
        FACADE => below_the_facade,
        "respool-cli" => [&[FACADE, KIT, TEST_SERVER], &*below_the_facade].concat(),
        "respool-benches" => [&[FACADE, TEST_SERVER], &*below_the_facade].concat(),
        backend if backends.contains(&backend) => vec![CONTRACT, CONNECT],
        stranger => panic!("{stranger} is new here: say in this function what it may depend on"),
    }
}

fn may_use_in_tests<'a>(name: &str, backends: &[&'a str]) -> Vec<&'a str> {
    match name {
        CONTRACT | TEST_SERVER => vec![],
        "xtask" => vec![KIT],
        // Its mutants are made from a healthy pool, and it is run as the author of another would.
        KIT => [&[CONNECT], backends].concat(),
        FACADE => vec![KIT, TEST_SERVER],
        backend if backends.contains(&backend) => vec![KIT, TEST_SERVER],
        _ => vec![TEST_SERVER],
    }
}
