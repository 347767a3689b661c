import Testing

/// The rules of README's "The rooms", held against the sources themselves.
@Suite struct StructureTests {
  private let tree = SourceTree.package
  private let targets: [Manifest.Target]

  init() throws { targets = Manifest(parsing: try tree.text("Package.swift")).targets }

  private func swiftFiles(_ target: Manifest.Target) throws -> [SourceTree.SourceFile] {
    try tree.files(under: target.folder, extensions: ["swift"])
  }

  /// From the ground up, as `Sources/README.md` lists them.
  private let houses = ["Base", "Text", "Model", "Cluster", "Engine", "Learning", "Service", "Insight", "Command"]

  @Test(arguments: [(top: "Sources", depth: 3), (top: "Tests", depth: 2)])
  func everyFolderOfSourcesIsATarget(top: String, depth: Int) throws {
    let folders = Set(targets.map(\.folder).filter { $0.hasPrefix(top) })
    let found = try tree.files(under: top, extensions: ["swift", "c", "h", "modulemap"])
      .map { $0.path.split(separator: "/").prefix(depth).joined(separator: "/") }
    // What is run by hand against other programs is no target.
    #expect(Set(found).subtracting(["Tests/Reference"]) == folders)
  }

  @Test func aRoomLiesInAHouseAndHasTheNameOfItsFolder() {
    for target in targets where target.folder.hasPrefix("Sources/") {
      #expect(target.folder == "Sources/\(target.house ?? "")/\(target.name)")
      #expect(houses.contains(target.house ?? ""), "\(target.folder) lies in no house")
    }
  }

  @Test func housesAreListedFromTheGroundUp() {
    let listed = targets.compactMap(\.house).reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
    #expect(listed == houses)
  }

  @Test func dependenciesGoDownward() {
    var above: Set<String> = []
    for target in targets {
      let missing = target.dependencies.subtracting(above)
      #expect(missing.isEmpty, "\(target.name) depends on \(missing.sorted()), not listed above it")
      above.insert(target.name)
    }
  }

  /// Text knows no model, the engine no network, and nothing that computes knows how it is reported.
  @Test(
    arguments: [
      (house: "Text", allowed: ["Base", "Text"]),
      (house: "Model", allowed: ["Base", "Text", "Model"]),
      (house: "Engine", allowed: ["Base", "Model", "Cluster", "Engine"]),
      (house: "Learning", allowed: ["Base", "Text", "Model", "Cluster", "Engine", "Learning"]),
      (house: "Service", allowed: ["Base", "Text", "Engine", "Service"]),
      (house: "Insight", allowed: ["Base", "Model", "Cluster", "Insight"]),
    ] as [(house: String, allowed: Set<String>)])
  func aHouseSeesOnlyTheseHouses(house: String, allowed: Set<String>) {
    let houseOf = Dictionary(uniqueKeysWithValues: targets.map { ($0.name, $0.house) })
    for target in targets where target.house == house {
      for name in target.dependencies.sorted() {
        if let other = houseOf[name] ?? nil {
          #expect(allowed.contains(other), "\(target.name) depends on \(name) of \(other)")
        }
      }
    }
  }

  @Test func everyImportIsDeclared() throws {
    let names = Set(targets.map(\.name))
    for target in targets {
      for file in try swiftFiles(target) {
        let undeclared = file.imports.intersection(names).subtracting(target.dependencies)
        #expect(
          undeclared.isEmpty, "\(file.path) imports \(undeclared.sorted()), which \(target.name) does not declare")
      }
    }
  }

  @Test(
    arguments: [
      (module: "COpenMPI", importers: []),
      (module: "CMPIShims", importers: ["Fabric"]),
      (module: "CKernels", importers: ["Kernels"]),
      (module: "CGradients", importers: ["Gradients"]),
      (module: "COpenBLAS", importers: []),
      (module: "CNUMA", importers: ["Machine"]),
      (module: "CHost", importers: ["Machine"]),
      (module: "CPCRE2", importers: ["Tokenization"]),
    ] as [(module: String, importers: Set<String>)])
  func oneRoomSeesEachCLibrary(module: String, importers: Set<String>) throws {
    for target in targets where !target.isTest && !importers.contains(target.name) {
      for file in try swiftFiles(target) { #expect(!file.imports.contains(module), "\(file.path) imports \(module)") }
    }
    for target in targets where target.isTest && module == "CMPIShims" && target.name != "FabricScenarios" {
      for file in try swiftFiles(target) { #expect(!file.imports.contains(module), "\(file.path) imports \(module)") }
    }
  }

  @Test func theTopLevelIsWhatTheReadmeSays() throws {
    let visible = try tree.topLevelEntries().filter { !$0.hasPrefix(".") }
    #expect(
      visible == ["LICENSE", "Package.swift", "README.md", "Sources", "Tests", "benchmarks", "deploy", "hostfiles"])
  }

  @Test(arguments: ["Sources", "Tests"])
  func noSourceFileIsLongerThan400Lines(folder: String) throws {
    let files = try tree.files(under: folder, extensions: ["swift", "c", "h", "inc"])
    #expect(!files.isEmpty)
    for file in files { #expect(file.lineCount <= 400, "\(file.path) has \(file.lineCount) lines; split it") }
  }
}
