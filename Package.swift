// swift-tools-version: 6.2
import PackageDescription

// Every unsafe operation must be spelled `unsafe`, so that a search for the word lists the
// whole trusted base. Tests/TidyTests says where it may appear.
let strict: [SwiftSetting] = [
    .strictMemorySafety(), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "cashew",
    targets: [
        .systemLibrary(
            name: "CLiburing",
            path: "CShims/CLiburing",
            pkgConfig: "liburing",
            providers: [.apt(["liburing-dev"])]
        ),
        .systemLibrary(
            name: "CYAML",
            path: "CShims/CYAML",
            pkgConfig: "yaml-0.1",
            providers: [.apt(["libyaml-dev"])]
        ),
        // What libc has and Swift's Glibc module does not show.
        .systemLibrary(name: "CLinux", path: "CShims/CLinux"),
        .target(name: "Config", dependencies: ["CYAML"], swiftSettings: strict),
        // The whole hot path is one module, so that whole-module optimization sees all of it.
        .target(
            name: "Proxy", dependencies: ["CLiburing", "CLinux", "Config"], swiftSettings: strict),
        // What an operator asks the running program: on the main thread, beside the data path.
        .target(
            name: "Admin", dependencies: ["CLinux", "Config", "Proxy"], swiftSettings: strict),
        .executableTarget(
            name: "cashew", dependencies: ["Admin", "CLinux", "Config", "Proxy"],
            swiftSettings: strict),
        .executableTarget(
            name: "micro", dependencies: ["Config", "Proxy"], path: "bench/micro",
            swiftSettings: strict),
        .testTarget(
            name: "AdminTests", dependencies: ["Admin", "Config", "Proxy"],
            resources: [.copy("Documents")]),
        .testTarget(name: "CommandLineTests", dependencies: ["cashew"]),
        .testTarget(name: "ConfigTests", dependencies: ["Config"]),
        .testTarget(name: "ProxyTests", dependencies: ["Proxy"], resources: [.copy("Vectors")]),
        .testTarget(name: "TidyTests"),
    ],
    swiftLanguageModes: [.v6]
)
