/// What may depend on what.
enum LayerRules {
    /// The folders of the hot module. Each may use only itself and those before it.
    ///
    /// One module cannot have private imports, so this is checked by the names of types. A
    /// handle may name what it refers to, wherever that is. Free functions, and members reached
    /// through inference, go unseen.
    static let layers = [
        "Memory", "IO", "Hashing", "Protocol", "Message", "Routing", "Stats", "Connection",
        "Worker",
    ]

    static let hotModule = "Sources/Proxy"

    /// What each module may import. Foundation is in none of them: it would triple the time to
    /// start and the memory of the program.
    static let imports: [String: Set<String>] = [
        "Config": ["CYAML", "Glibc"],
        "Proxy": ["CLiburing", "CLinux", "Config", "Glibc", "Synchronization"],
        "Admin": ["CLinux", "Config", "Glibc", "Proxy", "Synchronization"],
        "cashew": ["Admin", "CLinux", "Config", "Glibc", "Proxy", "Synchronization"],
    ]

    /// Where code may be that the compiler cannot prove safe: two folders, and the one file of
    /// each other module that talks to C.
    static let unsafePlaces = [
        "Sources/Proxy/Memory/", "Sources/Proxy/IO/", "Sources/Config/CInterface.swift",
        "Sources/Admin/System.swift", "Sources/cashew/System.swift",
    ]

    static func upwardUses(in files: [SourceFile]) -> [Finding] {
        let layered = files.filter { $0.isSwift && layer(of: $0) != nil }
        let codes = layered.map { (file: $0, code: SwiftCode($0.text)) }
        var home: [String: Int] = [:]
        for (file, code) in codes {
            for type in code.topLevelTypes { home[type] = layer(of: file) }
        }
        return codes.flatMap { file, code -> [Finding] in
            let own = code.declaredTypes
            return code.words.compactMap { word -> Finding? in
                guard !word.isMember, !word.isReferredTo, !own.contains(word.text),
                    let home = home[word.text],
                    let here = layer(of: file), home > here
                else { return nil }
                return Finding(
                    path: file.path, line: word.line,
                    message: "uses \(word.text) of the higher layer \(layers[home])")
            }
        }
    }

    static func unknownLayers(in files: [SourceFile]) -> [Finding] {
        files.filter { $0.isIn(hotModule) && layer(of: $0) == nil }
            .map { Finding(path: $0.path, message: "is in none of the layers \(layers)") }
    }

    static func forbiddenImports(in files: [SourceFile]) -> [Finding] {
        files.filter { $0.isSwift && $0.isIn("Sources") }.flatMap { file -> [Finding] in
            let allowed = imports[String(file.components[1])] ?? []
            return SwiftCode(file.text).lines.enumerated().compactMap { index, line -> Finding? in
                let statement = #/^ *(?:@\w+(?:\(\w+\))? |\w+ )*import (?:\w+ )?(\w+)/#
                guard let module = line.firstMatch(of: statement)?.output.1,
                    !allowed.contains(String(module))
                else { return nil }
                return Finding(
                    path: file.path, line: index + 1, message: "may not import \(module)")
            }
        }
    }

    static func strayUnsafeCode(in files: [SourceFile]) -> [Finding] {
        files.filter { file in
            file.isSwift && file.isIn("Sources")
                && !unsafePlaces.contains(where: file.path.hasPrefix)
        }.flatMap { file in
            SwiftCode(file.text).words.filter { $0.text == "unsafe" }.map {
                Finding(path: file.path, line: $0.line, message: "unsafe code does not belong here")
            }
        }
    }

    private static func layer(of file: SourceFile) -> Int? {
        guard file.isIn(hotModule) else { return nil }
        return layers.firstIndex(of: String(file.components[2]))
    }
}
