import ArgumentParser
import ExpertParallelism
import Inference
import JSON
import Kernels
import MoEModel
import ModelRuntime
import Projection
import Telemetry

/// `martinet plan`: how to lay a model out on a cluster, before anything is copied there.
struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Which layout of ranks fits a cluster, what it would do, and the line that starts it.",
    discussion: """
      Reads headers only. Times follow from memory bandwidth and arithmetic of a node, at the share of them that is \
      reached
      (--efficiency; 0.8 to 0.9 of the bandwidth is measured with one prompt), with even routing: an estimate. \
      `martinet bench
      kernels --probes-only` measures a node; `martinet project` extrapolates from runs.
        martinet plan --model DeepSeek-V3 --weights q8 --nodes 4 --memory 384 --cores 64 --numa-nodes 2 \
      --bandwidth 400 --network 25gbe
      With --train it says the same of training the model, or the shape, from its first step: memory by part, \
      time, money and energy.
        martinet plan --train --model config.json --tokens 20e9 --nodes 8 --memory 384 --cores 64 --node-price 2.5
      """)

  @Option(
    help: ArgumentHelp(
      "Folder of a checkpoint, of which only headers are read, or a config.json alone.", valueName: "path"))
  var model: String
  @Option(help: "How weights are to be held: auto (as stored; needs a folder), mixed, f32, bf16, q8 or q4.")
  var weights = WeightPrecision.auto
  @Option(parsing: .unconditional, help: "Nodes.") var nodes: Int
  @Option(parsing: .unconditional, help: ArgumentHelp("GiB of memory of a node.", valueName: "GiB")) var memory: Double
  @Option(parsing: .unconditional, help: "Physical cores of a node.") var cores: Int
  @Option(parsing: .unconditional, help: "NUMA nodes of a node.") var numaNodes = 1
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Ranks on a node, to look at beside one and one for each NUMA node: many share out messages.", valueName: "n"))
  var ranksPerNode: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Memory bandwidth of a node, reading. (default: 5 for each core)", valueName: "GB/s"))
  var bandwidth: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Operations of a node in products, in 10^9 a second. (default, for each core: 400 with 8-bit rows, 200 with \
      bf16, 100 with fp32)
      """,
      valueName: "Gop/s"))
  var arithmetic: Double?
  @Option(parsing: .unconditional, help: "Share of both that is reached.") var efficiency = 0.8
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Caches of a node, second and third level, of which runs fill half with weights while messages travel; 0 for \
      a plan without that. (default: 3 for each core)
      """,
      valueName: "MiB"))
  var cache: Double?
  @Option(help: ArgumentHelp("\(Network.presetNames.joined(separator: ", ")), or a JSON file.", valueName: "name"))
  var network = "10gbe"
  @Option(parsing: .unconditional, help: "Sequences at once for the throughput.") var batch = 32
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of attention cache on each rank.", valueName: "n"))
  var kvCacheTokens = 8192
  @Option(help: ArgumentHelp("Type of the attention cache.", valueName: "f32|bf16|q8")) var kvCache: CacheType = .f32
  @OptionGroup var forecast: ForecastOptions

  @Option(
    help: ArgumentHelp(
      "What --record-routing wrote of this model: with it times are those of its routing, and of experts placed by it.",
      valueName: "file"))
  var routing: String?
  @OptionGroup var replicas: ReplicaOptions
  @Option(
    help: ArgumentHelp(
      "Which rank holds which experts of each layer, for a layout of as many ranks as the file is for.",
      valueName: "file.json"))
  var placement: String?
  @OptionGroup var moving: RebalanceRoom
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Recurrent states on each rank, for models that keep some. (default: \(SessionOptions.defaultStateCount))",
      valueName: "n"))
  var recurrentStates: Int?
  @OptionGroup var training: TrainingPlanOptions
  @Flag(help: "One JSON object.") var json = false

  /// Whether there is a `config.json` without weights, which can be planned with and not run.
  var isBareConfiguration: Bool { model.hasSuffix(".json") }

  func validate() throws {
    try require("nodes", nodes, in: 1...1024)
    try require("memory", memory, in: 0.001...1e6)
    try require("cores", cores, in: 1...4096)
    try require("numa-nodes", numaNodes, in: 1...64)
    try require("ranks-per-node", ranksPerNode ?? 1, in: 1...min(cores, 64))
    try require("bandwidth", bandwidth ?? 1, in: 0.001...1e6)
    try require("arithmetic", arithmetic ?? 1, in: 0.001...1e9)
    try require("efficiency", efficiency, in: 0.01...1)
    try require("cache", cache ?? 0, in: 0...1e6)
    try require("batch", batch, in: 1...4096)
    try require("kv-cache-tokens", kvCacheTokens, in: 1...(1 << 30))
    try require("recurrent-states", recurrentStates ?? 1, in: 1...(1 << 16))
    guard routing == nil || forecast.zipf == 0 else {
      throw ValidationError("--zipf makes up routing, and --routing has some: give one of them")
    }
    guard nodes * max(numaNodes, ranksPerNode ?? 1) <= 4096 else {
      throw ValidationError(
        """
        more than 4096 ranks are not planned: lower \
        --nodes\(ranksPerNode == nil ? " or --numa-nodes" : ", --numa-nodes or --ranks-per-node")
        """
      )
    }
  }

  func run() throws {
    try tellingFailure {
      if training.train { return try runTraining() }
      let (plan, description) = try plan()
      let report = PlanReport(plan: plan, description: description, command: self)
      if json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
      if plan.best == nil { throw ExitCode(1) }
    }
  }

  /// What a run would be told of which rank holds which experts.
  private var experts: ExpertOptions {
    var experts = ExpertOptions()
    (experts.placementPath, experts.replicaShare) = (placement, replicas.share)
    experts.moves = moving.isKept
    return experts
  }

  private func plan() throws -> (ClusterPlan, DecoderDescription) {
    let model = try PlannedModel(model, weights: weights, speculation: forecast.speculation.options)
    let description = model.description
    guard let moe = description.moe else {
      throw ProjectionError.nothingMeasured(
        path: self.model, reason: "a dense model has no experts to spread: it needs to fit into each rank")
    }
    if forecast.layout == .sliced, let reason = description.slicingObstacle { throw RuntimeError.notSliceable(reason) }
    let node = ClusterPlan.Node(
      memoryBytes: Int(memory * Double(1 << 30)), cores: cores, numaNodes: numaNodes, ranks: ranksPerNode,
      machine: .init(
        readBytesPerSecond: (bandwidth ?? 5 * Double(cores)) * 1e9,
        operationsPerSecond: (arithmetic ?? Self.operations(description.weights) * Double(cores)) * 1e9,
        efficiency: efficiency, cacheBytes: (cache ?? 3 * Double(cores)) * Double(1 << 20) / 2,
        cachedBytesPerSecond: Self.cachedBytesPerSecond * Double(cores)))
    let file = try placement.map { path in
      let file = try PlacementOptions.read(path)
      try file.check(
        expertCount: moe.expertCount, layers: description.moeLayers, modules: description.moduleLayers,
        rankCount: file.placement.rankCount, path: path)
      return file.placement(of: description.moeLayers)
    }
    var options = SessionOptions()
    (options.cacheType, options.stateCount, options.experts) = (kvCache, recurrentStates, experts)
    let (blocks, dividesExperts) = (KeyValueCache.blockCount(tokens: kvCacheTokens), options.dividesExperts)
    guard options.cacheByteCount(description, cacheBlocks: blocks) < 1 << 50 else {
      throw ValidationError("--kv-cache-tokens \(kvCacheTokens) needs more memory than there is anywhere")
    }
    let commonBytes = try model.commonBytes()
    var task = ClusterPlan.Task(
      work: description.work, expertCount: moe.expertCount,
      bytesPerParameter: try model.bytesPerParameter(commonBytes: commonBytes), commonBytes: commonBytes,
      rowBytes: RowBytes(WireFormat(hiddenSize: description.hiddenSize, tokens: model.expertRowFormat)),
      routing: try record(moe))
    (task.batch, task.replicaShare, task.placement) = (batch, replicas.share, file)
    (task.layouts, task.dividesExperts) = (forecast.layouts, dividesExperts)
    if description.slicingObstacle != nil { task.layouts = [false] }
    task.drafts = try forecast.drafts(
      predicts: description.predicts, guesses: description.blockDrafting?.blockSize ?? 1)
    // A walk takes a second for the largest models: each once.
    var known: [String: (weights: Int, cache: Int)] = [:]
    let plan = try ClusterPlan(
      node: node, nodeCount: nodes, network: try Network(network, sameHostIn: []), task: task
    ) { ranks, isSliced in
      let key = "\(ranks) \(isSliced)"
      if let found = known[key] { return found }
      let found = (
        weights: try model.weightBytes(
          placement: file.flatMap { $0.rankCount == ranks ? $0 : nil }
            ?? ModelPlacement(expertCount: moe.expertCount, rankCount: ranks),
          options: experts, isSliced: isSliced, dividesExperts: dividesExperts),
        cache: model.descriptions(isSliced: isSliced, ranks: ranks, dividesExperts: dividesExperts).map {
          options.cacheByteCount($0, cacheBlocks: blocks)
        }.max() ?? 0
      )
      known[key] = found
      return found
    }
    return (plan, description)
  }

  /// The routing recorded of the model, or even routing.
  private func record(_ moe: MoEDescription) throws -> RoutingRecord {
    guard let routing else { return RoutingRecord.even(moe, rows: 2048, skew: forecast.zipf) }
    let record = try RoutingFile(path: routing).record
    guard record.expertCount == moe.expertCount, record.topK == moe.topK else {
      throw ProjectionError.mismatchedRouting(
        path: routing,
        reason: "\(record.topK) of \(record.expertCount) experts, not \(moe.topK) of \(moe.expertCount)")
    }
    return record
  }

  /// That one core's products of one row read of weights in its caches: less than any measured on an AMD EPYC (Zen 5),
  /// with Q8 in runs of 0.1 to 7 MB that had been brought there, 27 to 88 GB/s.
  private static let cachedBytesPerSecond = 25e9

  /// 10^9 a second of one core with AVX-512, somewhat below what `bench kernels` measured on an AMD EPYC (450, 226,
  /// 115).
  static func operations(_ weights: WeightPrecision) -> Double {
    switch weights {
    case .mixed, .q8, .q4: 400
    case .bf16: 200
    case .auto, .f32: 100
    }
  }
}
