import ArgumentParser
import Benchmarking
import ExpertParallelism
import Fabric
import JSON
import Kernels
import Machine
import ModelRuntime
import Projection
import Reports
import Telemetry

/// `martinet bench dispatch`: the exchange of expert parallelism alone.
struct BenchDispatch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dispatch", abstract: "Dispatch and combine alone, beside MPI's own exchange of the same bytes.",
    discussion: """
      Run it under mpirun with two ranks or more. Tokens with synthetic routing travel to experts that take no time and
      back. Beside it, in the same run: rows packed, MPI_Alltoallv, and the same back; one MPI_Alltoall for each
      direction; and a copy of the payload in memory. A ratio above 1 means that ours is the faster.
        mpirun --bind-to none -n 2 martinet bench dispatch --hidden 2048 --experts 64 --top-k 6
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of each rank.", valueName: "n,…")) var tokens =
    "1,8,64,512,4096"
  @Option(parsing: .unconditional, help: ArgumentHelp("Hidden sizes.", valueName: "n,…")) var hidden = "2048"
  @Option(parsing: .unconditional, help: "Routed experts.") var experts = 64
  @Option(parsing: .unconditional, help: "Experts of a token.") var topK = 6
  @Option(help: ArgumentHelp("How tokens choose: uniform, zipf, one-rank, recorded.", valueName: "name,…"))
  var routing = "uniform"
  @Option(
    help: ArgumentHelp(
      "What --record-routing wrote, for --routing recorded; it also says how many experts there are and are chosen.",
      valueName: "file"))
  var routingFile: String?
  @Option(help: "Form of tokens between ranks: f32, bf16 or int8, as the experts' weights ask for.")
  var dispatchFormat = RowFormat.float32
  @Option(help: "Form of sums: f32 or bf16.") var combineFormat = WireFormat.Sums.float32
  @Option(parsing: .unconditional, help: "Worker threads of each rank.") var threads: Int?
  @OptionGroup var coreOptions: CoreOptions
  @Flag(help: "Use messages of MPI within hosts too, not shared memory.") var throughMpi = false
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    guard (1...4096).contains(experts), (1...experts).contains(topK) else {
      throw ValidationError("--experts must be between 1 and 4096, --top-k between 1 and --experts")
    }
    _ = try cases()
  }

  private func cases() throws -> [DispatchBenchmark.Case] {
    let names = routing.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let routings = try names.map { name in
      guard let routing = SyntheticRouting(rawValue: name) else {
        throw ValidationError(
          "--routing \(name): one of \(SyntheticRouting.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return routing
    }
    guard routings.contains(.recorded) == (routingFile != nil) else {
      throw ValidationError("--routing recorded and --routing-file need each other")
    }
    let counts = try numbers("tokens", tokens, in: 1...(1 << 16))
    let sizes = try numbers("hidden", hidden, in: 1...(1 << 16))
    return routings.flatMap { routing in
      sizes.flatMap { size in
        counts.map {
          .init(
            tokens: $0, wire: WireFormat(hiddenSize: size, tokens: dispatchFormat, sums: combineFormat),
            routing: routing, expertCount: experts, topK: topK)
        }
      }
    }
  }

  func run() throws {
    var cases = try cases()
    try withRanks(.arguments(except: ["--threads", "--routing-file"])) { communicator in
      if let routingFile {
        let record = try agree(on: communicator) { try RoutingFile(path: routingFile).record }
        for i in cases.indices {
          (cases[i].record, cases[i].expertCount, cases[i].topK) = (record, record.expertCount, record.topK)
        }
      }
      let (experts, topK) = (cases[0].expertCount, cases[0].topK)
      let host = try coreOptions.plan(on: communicator, threads: threads)
      let pool = try agree(on: communicator) { try host.makePool() }
      communicator.yieldsWhileWaiting = host.assignment.oversubscribed
      let compute = Compute(pool: pool, instructionSet: .best)
      let clocks = try PeerClocks(communicator)
      let benchmark = DispatchBenchmark(
        communicator: communicator, compute: compute, clocks: clocks,
        channels: throughMpi ? nil : try channels(for: cases, communicator, clocks))
      if communicator.isRoot, !json {
        show(
          """
          \(Figures.count(communicator.size, "rank")) × \(Figures.count(compute.workerCount, "thread")), \
          \(experts) experts, \(topK) of a token; times of a dispatch and a combine together
          """
        )
        show(
          "routing   hidden  tokens        µs      GB/s   Alltoallv    ratio    Alltoall    ratio      copy    ratio")
      }
      var results: [DispatchBenchmark.Result] = []
      for one in cases {
        let result = try benchmark.measure(one)
        results.append(result)
        if communicator.isRoot, !json { show(line(result)) }
      }
      guard communicator.isRoot, json else { return }
      show(
        ([
          "ranks": .int(communicator.size), "threads_per_rank": .int(compute.workerCount), "experts": .int(experts),
          "top_k": .int(topK), "dispatch_format": .string(dispatchFormat.rawValue),
          "combine_format": .string(combineFormat.rawValue), "results": .array(results.map(figures)),
        ] as JSONValue).text(pretty: true))
    }
  }

  /// Room for the largest case. Collective.
  private func channels(for cases: [DispatchBenchmark.Case], _ communicator: any Communicator, _ clocks: PeerClocks)
    throws -> ExpertChannels?
  {
    let (experts, topK) = (cases[0].expertCount, cases[0].topK)
    return try ExpertChannels(
      communicator, placement: ModelPlacement(expertCount: experts, rankCount: communicator.size),
      wire: cases.map(\.wire).max { $0.hiddenSize < $1.hiddenSize } ?? cases[0].wire, topK: topK,
      batchTokens: cases.map(\.tokens).max() ?? 1,
      hostOfRank: clocks.hostOfRank)
  }

  private func figures(_ result: DispatchBenchmark.Result) -> JSONValue {
    [
      "routing": .string(result.benchmark.routing.rawValue), "hidden_size": .int(result.benchmark.wire.hiddenSize),
      "tokens": .int(result.benchmark.tokens), "payload_bytes": .int(result.payloadBytes),
      "seconds": .double(result.seconds),
      "bytes_per_second": .double(result.bytesPerSecond), "alltoallv_seconds": .double(result.allToAllVSeconds),
      "alltoall_seconds": .double(result.allToAllSeconds), "copy_seconds": .double(result.copySeconds),
    ]
  }

  private func line(_ result: DispatchBenchmark.Result) -> String {
    func micros(_ seconds: Double) -> String { Figures.decimals(seconds * 1e6, 1) }
    func ratio(_ seconds: Double) -> String { right(Figures.decimals(seconds / result.seconds, 2), 9) }
    return result.benchmark.routing.rawValue.padding(to: 9) + right("\(result.benchmark.wire.hiddenSize)", 7)
      + right("\(result.benchmark.tokens)", 8) + right(micros(result.seconds), 10)
      + right(Figures.decimals(result.bytesPerSecond / 1e9, 2), 10)
      + right(micros(result.allToAllVSeconds), 12) + ratio(result.allToAllVSeconds)
      + right(micros(result.allToAllSeconds), 12) + ratio(result.allToAllSeconds)
      + right(micros(result.copySeconds), 10) + ratio(result.copySeconds)
  }
}
