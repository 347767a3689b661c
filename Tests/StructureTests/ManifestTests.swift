import Testing

/// The reader of manifests and imports can see what the structure tests look for.
@Suite struct ManifestTests {
  @Test func targetsAreReadWithTheirHousesAndDependencies() throws {
    let manifest = Manifest(
      parsing: """
        func room(_ name: String, in house: String, _ dependencies: [Target.Dependency]) -> Target {
          .target(name: name, dependencies: dependencies, path: "Sources/\\(house)/\\(name)")
        }
        let package = Package(
          products: [.executable(name: "tool", targets: ["Tool"])],
          dependencies: [.package(url: "https://example.org/parser", from: "1.0.0")],
          targets: [
            // Base: what we did not write
            .systemLibrary(name: "CLib", path: "Sources/Base/CLib", pkgConfig: "lib", providers: [.apt(["lib-dev"])]),
            room("Upper", in: "High", ["CLib", "Lower"], resources: [.copy("data")]), // room("Commented", in: "High")
            room(
              "Lower", in: "Base"),
            .executableTarget(
              name: "Tool", dependencies: ["Upper", .product(name: "Parser", package: "parser")], path: "Tests/Tool"),
            tests("UpperTests", ["Upper"], exclude: ["Data"]),
          ])
        """)
    #expect(manifest.targets.map(\.name) == ["CLib", "Upper", "Lower", "Tool", "UpperTests"])
    #expect(manifest.targets.map(\.dependencies) == [[], ["CLib", "Lower"], [], ["Upper"], ["Upper"]])
    #expect(manifest.targets.map(\.house) == ["Base", "High", "Base", nil, nil])
    #expect(
      manifest.targets.map(\.folder)
        == ["Sources/Base/CLib", "Sources/High/Upper", "Sources/Base/Lower", "Tests/Tool", "Tests/UpperTests"])
  }

  @Test(arguments: [
    ("import Fabric", "Fabric"), ("  internal import CMPIShims", "CMPIShims"),
    ("@testable import Machine", "Machine"), ("@_exported public import Tensors", "Tensors"),
    ("import struct Foundation.URL", "Foundation"), ("important = true", nil), ("// import Fabric", nil),
  ])
  func importsAreSeen(line: String, module: String?) {
    #expect(SourceTree.SourceFile.importedModule(line[...]) == module)
  }
}
