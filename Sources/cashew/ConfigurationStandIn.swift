import Config

/// Stands in until module Config loads files itself.
struct ConfigurationError: Error, CustomStringConvertible { let description: String }

extension Configuration {
    static func load(path: String) throws(ConfigurationError) -> Configuration {
        if path.contains("good") { return Configuration(pools: []) }
        throw ConfigurationError(description: "failed to open configuration '\(path)'")
    }
}
