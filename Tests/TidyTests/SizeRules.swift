/// How long things may be.
enum SizeRules {
    static let fileLinesMax = 500
    static let functionLinesMax = 70
    static let lineColumnsMax = 100

    static func longFiles(in files: [SourceFile]) -> [Finding] {
        files.filter { $0.isSwift && !$0.isGenerated }.compactMap { file -> Finding? in
            // The last line ends in a line feed, after which nothing comes.
            let count = file.lines.count - 1
            guard count > fileLinesMax else { return nil }
            return Finding(path: file.path, message: "has \(count) lines")
        }
    }

    static func longFunctions(in files: [SourceFile]) -> [Finding] {
        files.filter { $0.isSwift && !$0.isGenerated }.flatMap { file in
            SwiftCode(file.text).functions.filter { $0.length > functionLinesMax }.map {
                Finding(
                    path: file.path, line: $0.line, message: "\($0.name) has \($0.length) lines")
            }
        }
    }

    static func longLines(in files: [SourceFile]) -> [Finding] {
        files.filter { $0.isSwift || $0.path.hasSuffix(".h") }.flatMap { file in
            file.lines.enumerated().compactMap { index, line -> Finding? in
                guard line.count > lineColumnsMax else { return nil }
                return Finding(
                    path: file.path, line: index + 1, message: "has \(line.count) columns")
            }
        }
    }
}
