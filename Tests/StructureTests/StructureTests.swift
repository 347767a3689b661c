import Testing

/// The rules of README's "The rooms", held against the sources themselves.
@Suite struct StructureTests {
  private let tree = SourceTree.package
  private let targets: [Manifest.Target]

  init() throws { targets = Manifest(parsing: try tree.text("Package.swift")).targets }

  private func swiftFiles(_ target: Manifest.Target) throws -> [SourceTree.SourceFile] {
    try tree.files(under: target.folder, extensions: ["swift"])
  }

  @Test(arguments: ["Sources", "Tests"])
  func everyFolderOfSourcesIsATarget(top: String) throws {
    let folders = Set(targets.map(\.folder).filter { $0.hasPrefix(top) })
    let found = try tree.files(under: top, extensions: ["swift", "c", "h", "modulemap"])
      .map { $0.path.split(separator: "/").prefix(2).joined(separator: "/") }
    #expect(Set(found) == folders)
  }

  @Test func dependenciesGoDownward() {
    var above: [String: Int] = [:]
    for target in targets {
      for name in target.dependencies.sorted() {
        guard let layer = above[name] else {
          Issue.record("\(target.name) depends on \(name), which is not listed above it")
          continue
        }
        #expect(target.isTest || layer <= target.layer, "\(target.name), layer \(target.layer), depends on \(name), layer \(layer)")
      }
      above[target.name] = target.layer
    }
  }

  @Test func everyImportIsDeclared() throws {
    let names = Set(targets.map(\.name))
    for target in targets {
      for file in try swiftFiles(target) {
        let undeclared = file.imports.intersection(names).subtracting(target.dependencies)
        #expect(undeclared.isEmpty, "\(file.path) imports \(undeclared.sorted()), which \(target.name) does not declare")
      }
    }
  }

  @Test(arguments: [
    (module: "COpenMPI", importers: []),
    (module: "CMPIShims", importers: ["Fabric"]),
    (module: "CKernels", importers: ["Kernels"]),
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
