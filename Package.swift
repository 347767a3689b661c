// swift-tools-version: 6.2
import PackageDescription

/// Settings shared by every Swift target: one place to raise the bar.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

// `Sources/<House>/<Room>`: rooms are targets, and imports go strictly downward (Sources/README.md, "The houses").

/// A room of Swift. With `marksUnsafe` whatever could touch memory that is not its own says `unsafe`: rooms that read
/// what strangers write, and need next to none of it.
func room(
  _ name: String, in house: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = [],
  marksUnsafe: Bool = false
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(house)/\(name)", resources: resources,
    swiftSettings: marksUnsafe ? strict + [.strictMemorySafety()] : strict)
}

/// A room of C.
func sources(_ name: String, in house: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/\(house)/\(name)")
}

/// The module map of a C library that pkg-config finds, from a package of Debian.
func library(_ name: String, in house: String, pkgConfig: String, package: String) -> Target {
  .systemLibrary(
    name: name, path: "Sources/\(house)/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}

/// Tests that start programs and compare texts: optimised they are no faster, and take several times as long to compile.
let plainTests: Set = ["CommandTests", "HTTPServerTests", "OpenAIProtocolTests", "SupervisionTests"]

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude,
    swiftSettings: strict + (plainTests.contains(name) ? [.unsafeFlags(["-Onone"])] : []))
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
    // Base: this host, numbers and text; our C.
    library("COpenBLAS", in: "Base", pkgConfig: "openblas", package: "libopenblas-dev"),
    library("CNUMA", in: "Base", pkgConfig: "numa", package: "libnuma-dev"),
    sources("CHost", in: "Base"),
    sources("CKernels", in: "Base"),
    room("Bytes", in: "Base"),
    room("JSON", in: "Base", ["Bytes"], marksUnsafe: true),
    room("Threads", in: "Base"),
    room("Machine", in: "Base", ["CNUMA", "CHost", "Bytes"]),
    room("Tensors", in: "Base"),
    room("Kernels", in: "Base", ["CKernels", "Tensors", "Machine"]),
    room("Telemetry", in: "Base", ["JSON"]),
    // Text: between characters and token ids.
    library("CPCRE2", in: "Text", pkgConfig: "libpcre2-8", package: "libpcre2-dev"),
    room("Tokenization", in: "Text", ["JSON", "CPCRE2"]),
    room("ChatTemplates", in: "Text", ["Bytes", "JSON", "Threads"], marksUnsafe: true),
    room("StructuredOutput", in: "Text", ["JSON"]),
    room(
      "ModelText", in: "Text", ["Bytes", "JSON", "Tokenization", "ChatTemplates", "StructuredOutput"],
      marksUnsafe: true),
    // Model: checkpoints, families, layers.
    sources("CChecksum", in: "Model"),
    room("Checkpoints", in: "Model", ["CChecksum", "JSON", "Bytes", "Tensors"]),
    room("MoEModel", in: "Model", ["JSON", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints"]),
    room("DemoModel", in: "Model", resources: [.copy("demo-model")], marksUnsafe: true),
    // Cluster: ranks, messages, experts shared out among them.
    library("COpenMPI", in: "Cluster", pkgConfig: "ompi-c", package: "libopenmpi-dev"),
    sources("CMPIShims", in: "Cluster", ["COpenMPI"]),
    room("Fabric", in: "Cluster", ["CMPIShims", "Threads", "Bytes", "Machine", "Telemetry"]),
    room(
      "ExpertParallelism", in: "Cluster",
      ["JSON", "Machine", "Tensors", "Kernels", "Telemetry", "MoEModel", "Fabric"]),
    room("TreeReduction", in: "Cluster", ["Bytes", "Tensors", "Telemetry", "Fabric"]),
    room("ClusterCheck", in: "Cluster", ["JSON", "Machine"]),
    // Engine: requests in token ids, steps, samples.
    room("EngineAPI", in: "Engine", ["JSON"], marksUnsafe: true),
    room(
      "ModelRuntime", in: "Engine",
      [
        "JSON", "Bytes", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints", "MoEModel", "Fabric",
        "ExpertParallelism",
      ]),
    room(
      "Inference", in: "Engine",
      [
        "JSON", "Bytes", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints", "MoEModel", "Fabric",
        "ExpertParallelism", "EngineAPI", "ModelRuntime",
      ]),
    // Learning: what makes models, and what they are measured by.
    room(
      "Evaluation", in: "Learning", ["JSON", "ChatTemplates"], resources: [.embedInCode("Resources")],
      marksUnsafe: true),
    sources("CGradients", in: "Learning", ["CKernels"]),
    room("Gradients", in: "Learning", ["CGradients", "Machine", "Tensors", "Kernels", "MoEModel"]),
    room(
      "Backpropagation", in: "Learning",
      ["Machine", "Tensors", "Kernels", "Telemetry", "MoEModel", "Fabric", "TreeReduction", "Gradients"]),
    room(
      "Training", in: "Learning",
      ["JSON", "Bytes", "Machine", "Tensors", "Tokenization", "ModelText", "Checkpoints", "MoEModel", "Gradients"]),
    room(
      "DistributedTraining", in: "Learning",
      [
        "JSON", "Threads", "Bytes", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints", "MoEModel", "Fabric",
        "ExpertParallelism", "TreeReduction", "ModelRuntime", "Gradients", "Training", "Backpropagation",
      ]),
    room("Rewards", in: "Learning", ["JSON", "Threads", "Machine", "Checkpoints", "ClusterCheck", "Evaluation"]),
    room(
      "Reinforcement", in: "Learning",
      [
        "JSON", "Bytes", "Tensors", "Kernels", "Tokenization", "ModelText", "Checkpoints", "MoEModel", "Fabric",
        "EngineAPI",
        "ModelRuntime", "Inference", "Gradients", "Evaluation", "Training", "Backpropagation", "DistributedTraining",
        "Rewards",
      ]),
    room(
      "Distillation", in: "Learning",
      [
        "JSON", "Bytes", "Tensors", "Kernels", "Tokenization", "MoEModel", "Fabric", "ModelRuntime", "Gradients",
        "Training", "Backpropagation", "DistributedTraining", "Rewards", "Reinforcement",
      ]),
    // Service: an engine's face to the network, and what keeps it alive.
    room("OpenAIProtocol", in: "Service", ["Bytes", "JSON", "EngineAPI"], marksUnsafe: true),
    room("Supervision", in: "Service", ["JSON", "Threads", "Machine", "Telemetry", "EngineAPI"]),
    room(
      "HTTPServer", in: "Service",
      [
        "JSON", "Machine", "Tokenization", "ChatTemplates", "StructuredOutput", "ModelText", "EngineAPI",
        "OpenAIProtocol",
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Logging", package: "swift-log"),
      ],
      resources: [.embedInCode("Page/Resources")]),
    room(
      "LoadGenerator", in: "Service",
      [
        "JSON", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ], marksUnsafe: true),
    // Insight: what was measured, for people to read; other clusters on paper.
    room(
      "Reports", in: "Insight", ["JSON", "Telemetry"], resources: [.embedInCode("Resources")], marksUnsafe: true),
    room(
      "Projection", in: "Insight",
      ["JSON", "Tensors", "Telemetry", "Checkpoints", "MoEModel", "Fabric", "ExpertParallelism", "Reports"]),
    // Command: what people type, and the measurements behind `bench`.
    room(
      "Benchmarking", in: "Command",
      [
        "JSON", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints", "MoEModel", "Fabric", "ExpertParallelism",
        "Inference", "Gradients", "Reports",
      ]),
    room(
      "Answering", in: "Command",
      [
        "JSON", "Machine", "Kernels", "Tokenization", "ModelText", "Checkpoints", "MoEModel", "EngineAPI", "Inference",
        "Evaluation", "LoadGenerator",
      ]),
    .executableTarget(
      name: "martinet",
      dependencies: [
        "JSON", "Threads", "Bytes", "Machine", "Tensors", "Kernels", "Telemetry", "Tokenization", "ChatTemplates",
        "StructuredOutput", "ModelText", "Checkpoints", "MoEModel", "DemoModel", "Fabric", "ExpertParallelism",
        "ClusterCheck", "EngineAPI",
        "ModelRuntime", "Inference", "Gradients", "Evaluation", "Training", "Backpropagation", "DistributedTraining",
        "Rewards", "Reinforcement", "Distillation", "OpenAIProtocol", "Supervision", "HTTPServer", "LoadGenerator",
        "Reports", "Projection", "Benchmarking", "Answering",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Command/martinet", swiftSettings: strict),
    // What several of the tests use.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .target(
      name: "ForwardingCommunicator", dependencies: ["Machine", "Fabric", "Telemetry"],
      path: "Tests/ForwardingCommunicator",
      swiftSettings: strict),
    .target(
      name: "ParrotModel", dependencies: ["TestSupport", "JSON", "Tensors", "Checkpoints"], path: "Tests/ParrotModel",
      swiftSettings: strict),
    tests("StructureTests", ["TestSupport"]),
    tests("BytesTests", ["Bytes"]),
    tests("JSONTests", ["JSON"]),
    tests("EngineAPITests", ["EngineAPI", "JSON"]),
    tests(
      "KernelsTests", ["TestSupport", "CKernels", "COpenBLAS", "Machine", "Tensors", "Kernels"],
      exclude: ["Sanitized"]),
    tests("CheckpointsTests", ["CChecksum", "TestSupport", "Bytes", "Checkpoints", "JSON", "Tensors"]),
    tests("ThreadsTests", ["Threads"]),
    tests("MachineTests", ["TestSupport", "Machine"]),
    tests("TelemetryTests", ["Telemetry", "JSON"]),
    tests("ReportsTests", ["Reports", "Telemetry", "JSON"]),
    .executableTarget(
      name: "FabricScenarios",
      dependencies: ["CMPIShims", "Fabric", "Machine", "Telemetry", "Tensors", "TreeReduction"],
      path: "Tests/FabricScenarios",
      swiftSettings: strict),
    .executableTarget(
      name: "SupervisionScenarios", dependencies: ["EngineAPI", "Supervision"], path: "Tests/SupervisionScenarios",
      swiftSettings: strict),
    // Defines malloc: for test programs only.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    tests(
      "InferenceTests",
      [
        "AllocationCounter", "ForwardingCommunicator", "TestSupport", "Bytes", "ModelRuntime", "Inference",
        "ExpertParallelism", "Fabric", "MoEModel", "Checkpoints", "Kernels", "Machine", "Telemetry", "JSON",
        "EngineAPI", "Reports", "Tensors",
      ]),
    tests(
      "DistributedTrainingTests",
      [
        "TestSupport", "ForwardingCommunicator", "JSON", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints",
        "MoEModel", "Fabric", "TreeReduction", "ModelRuntime", "Gradients", "Training", "Backpropagation",
        "DistributedTraining",
      ]),
    tests(
      "ProjectionTests",
      [
        "TestSupport", "Projection", "Reports", "JSON", "Checkpoints", "Tensors", "MoEModel", "Fabric",
        "ExpertParallelism",
        "Telemetry",
      ]),
    tests("FabricTests", ["TestSupport", "ForwardingCommunicator", "Fabric", "FabricScenarios", "Telemetry"]),
    tests(
      "GradientsTests", ["TestSupport", "CGradients", "Gradients", "Machine", "Tensors", "Kernels", "MoEModel"],
      exclude: ["Sanitized"]),
    tests("TreeReductionTests", ["TestSupport", "TreeReduction", "Fabric", "Telemetry", "Tensors"]),
    tests("EvaluationTests", ["TestSupport", "Evaluation", "JSON"]),
    tests(
      "TrainingTests",
      [
        "TestSupport", "Training", "Gradients", "Kernels", "JSON", "Machine", "Tensors", "Tokenization", "Checkpoints",
        "MoEModel", "ModelText",
      ]),
    tests("RewardsTests", ["TestSupport", "Rewards", "Evaluation", "JSON", "Machine"]),
    tests(
      "ReinforcementTests",
      [
        "TestSupport", "JSON", "Machine", "Tensors", "Kernels", "Telemetry", "Checkpoints", "MoEModel", "Fabric",
        "EngineAPI", "ModelRuntime", "Inference", "Gradients", "Training", "Backpropagation", "DistributedTraining",
        "Rewards", "Reinforcement", "Evaluation", "ModelText",
      ]),
    tests(
      "DistillationTests",
      [
        "TestSupport", "JSON", "Machine", "Tensors", "Kernels", "Telemetry", "Tokenization", "Checkpoints", "MoEModel",
        "Fabric", "EngineAPI", "ModelRuntime", "Inference", "Gradients", "Training", "Backpropagation",
        "DistributedTraining", "Rewards", "Reinforcement", "Distillation", "ModelText",
      ]),
    tests(
      "SupervisionTests",
      ["TestSupport", "Supervision", "SupervisionScenarios", "JSON", "EngineAPI", "Machine", "Telemetry"]),
    tests("TokenizationTests", ["TestSupport", "Tokenization", "Checkpoints", "JSON"]),
    tests("StructuredOutputTests", ["StructuredOutput", "JSON", "Tokenization"]),
    tests(
      "MoEModelTests",
      ["TestSupport", "MoEModel", "JSON", "Checkpoints", "Kernels", "Machine", "Telemetry", "Tensors"]),
    tests(
      "ExpertParallelismTests",
      [
        "ForwardingCommunicator", "TestSupport", "ExpertParallelism", "Fabric", "MoEModel", "Checkpoints", "JSON",
        "Kernels",
        "Machine", "Telemetry", "Tensors",
      ]),
    .target(name: "HTTPConnection", dependencies: ["JSON"], path: "Tests/HTTPConnection", swiftSettings: strict),
    tests(
      "HTTPServerTests",
      [
        "HTTPServer", "HTTPConnection", "TestSupport", "JSON", "OpenAIProtocol", "ModelText", "EngineAPI",
        "StructuredOutput", "Tokenization",
        .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    tests(
      "BenchmarkingTests",
      [
        "TestSupport", "Benchmarking", "JSON", "Machine", "Tensors", "Kernels", "Checkpoints", "MoEModel", "Fabric",
        "ExpertParallelism",
      ]),
    tests(
      "AnsweringTests",
      ["TestSupport", "Answering", "Evaluation", "Checkpoints", "MoEModel", "ModelText", "EngineAPI"]),
    tests("ClusterCheckTests", ["ClusterCheck", "JSON", "Machine", "TestSupport"]),
    tests("LoadGeneratorTests", ["LoadGenerator", "JSON"]),
    tests(
      "CommandTests",
      ["martinet", "Checkpoints", "EngineAPI", "HTTPConnection", "JSON", "ParrotModel", "Tensors", "TestSupport"]),
    tests("OpenAIProtocolTests", ["TestSupport", "OpenAIProtocol", "EngineAPI", "JSON"]),
    tests("ChatTemplatesTests", ["ChatTemplates", "JSON"], exclude: ["Recorded"]),
    // Every room that reads what comes from outside.
    tests(
      "FuzzTests",
      [
        "TestSupport", "Bytes", "JSON", "Machine", "Kernels", "Telemetry", "Tokenization", "ChatTemplates",
        "StructuredOutput", "ModelText", "Checkpoints", "MoEModel", "Fabric", "ExpertParallelism", "ClusterCheck",
        "EngineAPI", "ModelRuntime",
        "Inference", "OpenAIProtocol", "Supervision", "LoadGenerator", "Reports", "Projection", "Training",
        "Evaluation", "Rewards",
      ], exclude: ["fuzz.sh"]),
  ]
)
