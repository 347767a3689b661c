import Testing

/// The reader of manifests and imports can see what the structure tests look for.
@Suite struct ManifestTests {
  @Test func targetsAreReadWithTheirLayersAndDependencies() throws {
    let manifest = Manifest(
      parsing: """
        func layer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
          .target(name: name, dependencies: dependencies)
        }
        let package = Package(
          products: [.executable(name: "tool", targets: ["Tool"])],
          dependencies: [.package(url: "https://example.org/parser", from: "1.0.0")],
          targets: [
            // 0: what we did not write
            .systemLibrary(name: "CLib", pkgConfig: "lib", providers: [.apt(["lib-dev"])]),
            // 3
            layer("Upper", ["CLib", "Lower"]), // layer("Commented", [])
            layer(
              "Lower",
              []),
            .executableTarget(
              name: "Tool", dependencies: ["Upper", .product(name: "Parser", package: "parser")], path: "Tests/Tool"),
            tests("UpperTests", ["Upper"], exclude: ["Data"]),
          ])
        """)
    #expect(manifest.targets.map(\.name) == ["CLib", "Upper", "Lower", "Tool", "UpperTests"])
    #expect(manifest.targets.map(\.dependencies) == [[], ["CLib", "Lower"], [], ["Upper"], ["Upper"]])
    #expect(manifest.targets.map(\.layer) == [0, 3, 3, 3, 3])
    #expect(manifest.targets.map(\.folder) == ["Sources/CLib", "Sources/Upper", "Sources/Lower", "Tests/Tool", "Tests/UpperTests"])
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
