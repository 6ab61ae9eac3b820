import Testing

/// What the compiler does not check about the sources themselves. `ControlTests` shows that each
/// rule finds what it is there to find.
@Suite struct TidyTests {
    @Test func repositoryIsRead() {
        #expect(Repository.files.contains { $0.path == "Package.swift" })
        #expect(Repository.swiftFiles.contains { $0.isIn("Sources/Proxy/Memory") })
    }

    @Test func layersUseOnlyLowerLayers() {
        expectNone(LayerRules.upwardUses(in: Repository.files))
        expectNone(LayerRules.unknownLayers(in: Repository.files))
    }

    @Test func modulesImportOnlyWhatIsListed() {
        expectNone(LayerRules.forbiddenImports(in: Repository.files))
    }

    @Test func unsafeCodeStaysInItsPlaces() {
        expectNone(LayerRules.strayUnsafeCode(in: Repository.files))
    }

    @Test func filesFunctionsAndLinesAreShort() {
        expectNone(SizeRules.longFiles(in: Repository.files))
        expectNone(SizeRules.longFunctions(in: Repository.files))
        expectNone(SizeRules.longLines(in: Repository.files))
    }

    @Test func nothingIsPostponed() {
        expectNone(TextRules.postponedWork(in: Repository.files))
    }

    @Test func nothingOutsideTheRepositoryIsNamed() {
        expectNone(TextRules.foreignPaths(in: Repository.files))
        expectNone(TextRules.brokenLinks(in: Repository.files, among: Repository.paths))
    }

    @Test func everyFileIsWhereItBelongs() {
        expectNone(TextRules.strayFiles(among: Repository.paths))
    }

    private func expectNone(_ findings: [Finding]) {
        for finding in findings { Issue.record("\(finding)") }
    }
}
