// swift-tools-version: 6.2
import PackageDescription

/// Settings shared by every Swift target: one place to raise the bar.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

/// A library target; imports go strictly downward (see README, "The rooms").
func layer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let package = Package(
  name: "martinet",
  products: [.executable(name: "martinet", targets: ["martinet"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
  ],
  targets: [
    // 0: C libraries found with pkg-config, and the C we wrote.
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CNUMA", pkgConfig: "numa", providers: [.apt(["libnuma-dev"])]),
    .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .target(name: "CMPIShims", dependencies: ["COpenMPI"]),
    .target(name: "CHost"),
    .target(name: "CKernels"),
    .target(name: "CChecksum"),
    // 1
    layer("JSON", []),
    layer("Machine", ["CNUMA", "CHost"]),
    layer("Tensors", []),
    layer("Kernels", ["CKernels", "Tensors", "Machine"]),
    // 2
    layer("Checkpoints", ["CChecksum", "JSON", "Tensors"]),
    layer("Tokenization", ["JSON", "CPCRE2"]),
    layer("StructuredOutput", ["JSON"]),
    layer("ChatTemplates", ["JSON"]),
    layer("OpenAIProtocol", ["JSON"]),
    layer("Telemetry", ["JSON"]),
    layer("Serving", ["JSON"]),
    .target(name: "DemoModel", resources: [.copy("demo-model")], swiftSettings: strict),
    // 3
    layer("Prompts", ["JSON", "Checkpoints", "Tokenization", "ChatTemplates", "StructuredOutput"]),
    layer("MoEModel", ["JSON", "Machine", "Tensors", "Kernels", "Checkpoints", "Telemetry"]),
    // 4
    layer("Fabric", ["CMPIShims", "Telemetry"]),
    // 5
    layer("ExpertParallelism", ["Machine", "Tensors", "Kernels", "MoEModel", "Fabric", "Telemetry"]),
    // 6
    layer(
      "Inference",
      ["JSON", "Machine", "Tensors", "Kernels", "Checkpoints", "MoEModel", "Fabric", "ExpertParallelism", "Telemetry", "Serving"]),
    layer(
      "Projection", ["JSON", "Tensors", "Checkpoints", "MoEModel", "Fabric", "ExpertParallelism", "Telemetry"]),
    // 7
    layer("ClusterCheck", ["JSON", "Machine"]),
    layer("Supervision", ["JSON", "Machine", "Telemetry", "Serving"]),
    layer(
      "Coordinator",
      [
        "JSON", "Machine", "Serving", "Tokenization", "ChatTemplates", "Prompts", "OpenAIProtocol", "StructuredOutput",
        .product(name: "Hummingbird", package: "hummingbird"), .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"), .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    layer(
      "LoadGenerator",
      [
        "JSON", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    // 8
    .executableTarget(
      name: "martinet",
      dependencies: [
        "JSON", "Machine", "Tensors", "Kernels", "Checkpoints", "DemoModel", "Tokenization", "ChatTemplates", "Prompts",
        "MoEModel", "Fabric", "ExpertParallelism", "Inference", "Projection", "Telemetry", "Serving", "StructuredOutput",
        "ClusterCheck", "OpenAIProtocol", "Supervision", "Coordinator", "LoadGenerator",
        .product(name: "ArgumentParser", package: "swift-argument-parser"), .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    // What several of the tests use.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .target(
      name: "ForwardingCommunicator", dependencies: ["Fabric", "Telemetry"], path: "Tests/ForwardingCommunicator",
      swiftSettings: strict),
    .target(
      name: "ParrotModel", dependencies: ["TestSupport", "JSON", "Tensors", "Checkpoints"], path: "Tests/ParrotModel",
      swiftSettings: strict),
    tests("StructureTests", []),
    tests("JSONTests", ["JSON"]),
    tests("ServingTests", ["Serving", "JSON"]),
    tests("KernelsTests", ["TestSupport", "CKernels", "COpenBLAS", "Kernels"]),
    tests("CheckpointsTests", ["CChecksum", "TestSupport", "Checkpoints", "JSON", "Tensors"]),
    tests("MachineTests", ["TestSupport", "Machine"]),
    tests("TelemetryTests", ["Telemetry", "JSON"]),
    .executableTarget(
      name: "FabricScenarios", dependencies: ["CMPIShims", "Fabric", "Machine", "Telemetry"], path: "Tests/FabricScenarios",
      swiftSettings: strict),
    .executableTarget(
      name: "SupervisionScenarios", dependencies: ["Serving", "Supervision"], path: "Tests/SupervisionScenarios",
      swiftSettings: strict),
    // Defines malloc: for test programs only.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    tests("InferenceTests",
      [
        "AllocationCounter", "ForwardingCommunicator", "TestSupport", "Inference", "ExpertParallelism", "Fabric", "MoEModel",
        "Checkpoints", "Kernels", "Machine", "Telemetry", "JSON", "Serving", "Tensors",
      ]),
    tests(
      "ProjectionTests",
      ["TestSupport", "Projection", "JSON", "Checkpoints", "Tensors", "MoEModel", "Fabric", "ExpertParallelism", "Telemetry"]),
    tests("FabricTests", ["ForwardingCommunicator", "Fabric", "FabricScenarios", "Telemetry"]),
    tests("SupervisionTests", ["Supervision", "SupervisionScenarios", "JSON", "Serving", "Telemetry"]),
    tests("TokenizationTests", ["TestSupport", "Tokenization", "JSON"]),
    tests("StructuredOutputTests", ["StructuredOutput", "JSON", "Tokenization"]),
    tests("MoEModelTests", ["TestSupport", "MoEModel", "JSON", "Checkpoints", "Kernels", "Tensors"]),
    tests(
      "ExpertParallelismTests",
      [
        "ForwardingCommunicator", "TestSupport", "ExpertParallelism", "Fabric", "MoEModel", "Checkpoints", "JSON", "Kernels",
        "Machine", "Telemetry", "Tensors",
      ]),
    .target(name: "HTTPConnection", dependencies: ["JSON"], path: "Tests/HTTPConnection", swiftSettings: strict),
    tests(
      "CoordinatorTests",
      [
        "Coordinator", "HTTPConnection", "TestSupport", "DemoModel", "JSON", "OpenAIProtocol", "Prompts", "Serving", "Tokenization",
        .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    tests("ClusterCheckTests", ["ClusterCheck", "JSON", "Machine", "TestSupport"]),
    tests("LoadGeneratorTests", ["LoadGenerator", "JSON"]),
    tests(
      "CommandTests", ["martinet", "Checkpoints", "HTTPConnection", "JSON", "ParrotModel", "Tensors", "TestSupport"]),
    tests("OpenAIProtocolTests", ["TestSupport", "OpenAIProtocol", "JSON"]),
    tests("ChatTemplatesTests", ["ChatTemplates", "JSON"], exclude: ["Recorded"]),
  ]
)
