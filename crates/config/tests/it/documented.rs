//! The documentation and the code are one table.

use afield_config::TABLES;

/// Proves that every key is documented as the code has it.
#[test]
fn every_section_is_documented_as_it_is() {
    let documented = include_str!("../../../../docs/config.md");
    for table in TABLES.iter().copied().flatten() {
        let wanted = table.markdown();
        assert!(documented.contains(&wanted), "docs/config.md should hold this:\n\n{wanted}");
    }
}

/// Proves that the documentation's example is a configuration without a fault.
#[test]
fn the_documented_example_is_valid() {
    let documented = include_str!("../../../../docs/config.md");
    let example = documented.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = crate::support::read(example).unwrap();
    assert_eq!(config.faults().count(), 0);
    assert!(config.warnings.is_empty());
    assert!(config.executors.len() >= 2 && config.mcp_servers.len() >= 2);
}
