import Foundation

/// What may stand in any file, and which files there may be.
enum TextRules {
    /// Everything at the top of the repository, hidden files aside.
    static let topLevel: Set<String> = [
        "Package.swift", "Makefile", "README.md", "LICENSE", "Sources", "CShims", "Tests", "conf",
        "bench", "docs",
    ]

    /// Joined from parts, so that this file does not break its own rule.
    static let postponements = ["TO" + "DO", "FIX" + "ME"]

    /// Folders that exist on somebody's machine only.
    static let foreignFolders = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/"]

    static func postponedWork(in files: [SourceFile]) -> [Finding] {
        mentions(of: postponements, in: files) { "says \($0): do it, or open an issue" }
    }

    static func foreignPaths(in files: [SourceFile]) -> [Finding] {
        mentions(of: foreignFolders, in: files) { "names \($0), which is not in the repository" }
    }

    /// Links of the documentation that lead to no file of the repository.
    static func brokenLinks(in files: [SourceFile], among paths: [String]) -> [Finding] {
        files.filter { $0.path.hasSuffix(".md") }.flatMap { file in
            file.lines.enumerated().flatMap { index, line -> [Finding] in
                line.matches(of: #/\]\(([^)#\s]+)[^)]*\)/#).compactMap { match -> Finding? in
                    let target = String(match.output.1)
                    guard !target.contains("://"), !target.hasPrefix("mailto:") else { return nil }
                    let path = resolve(target, from: file)
                    guard !paths.contains(where: { $0 == path || $0.hasPrefix(path + "/") }) else {
                        return nil
                    }
                    return Finding(
                        path: file.path, line: index + 1,
                        message: "links to \(target): no such file")
                }
            }
        }
    }

    static func strayFiles(among paths: [String]) -> [Finding] {
        paths.compactMap { path in
            let first = String(path.prefix { $0 != "/" })
            if path.hasSuffix("Package.resolved") || path.hasSuffix(".o") {
                return Finding(path: path, message: "should not be under version control")
            }
            guard !first.hasPrefix("."), !topLevel.contains(first) else { return nil }
            return Finding(path: path, message: "\(first) does not belong at the top")
        }
    }

    private static func mentions(
        of texts: [String], in files: [SourceFile], message: (String) -> String
    ) -> [Finding] {
        files.flatMap { file in
            texts.filter(file.text.contains).flatMap { text in
                file.lines.enumerated().filter { $0.element.contains(text) }.map {
                    Finding(path: file.path, line: $0.offset + 1, message: message(text))
                }
            }
        }
    }

    /// A relative link as a path from the top. One that climbs out keeps its `..`.
    private static func resolve(_ target: String, from file: SourceFile) -> String {
        var components = target.hasPrefix("/") ? [""] : file.components.dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == "..", let last = components.last, last != ".." {
                components.removeLast()
            } else {
                components.append(String(part))
            }
        }
        return components.joined(separator: "/")
    }
}
