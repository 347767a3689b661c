import ArgumentParser
import Benchmarking
import JSON
import Kernels
import Reports

/// `martinet bench attention`: the attention kernels against the machine's read bandwidth and multiply-add rate.
struct BenchAttention: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attention", abstract: "Attention over long contexts against the machine's limits.",
    discussion: """
      For DeepSeek's latent attention (MLA, 512 + 64 dimensions) with 16 and 128 heads, the same with the indexer of \
      V3.2
      (DSA: 64 heads of 128 choose 2048 positions of longer contexts), and for grouped attention (GQA, 32 query and \
      4 key
      heads of 128), with each type of cache: the last token of a context (decode) and the last tokens of one
      (prefill). Time is that of one token in one layer, × how much faster than with f32; GB/s counts the cache that is
      needed once a step; the limit is the greater of cache bytes over the read probe and operations over the
      multiply-add probe, of fp32, which the integer products of q8 can exceed.
      """)

  @Option(help: ArgumentHelp("Positions in the cache.", valueName: "n,…")) var context = "512,8192,32768"
  @Option(parsing: .unconditional, help: "Tokens of a prefill step.") var chunk = 32
  @OptionGroup var workers: WorkerOptions
  @Option(help: "Kernels to use. (default: the fastest this host has)") var isa: InstructionSet?
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    try require("chunk", chunk, in: 2...512)
    _ = try contexts()
    try isa?.checkIsSupported()
  }

  private func contexts() throws -> [Int] { try numbers("context", context, in: chunk...(1 << 18)) }

  func run() throws {
    try workers.run { pool in
      let compute = Compute(pool: pool, instructionSet: isa ?? .best)
      let (read, flops) = (compute.probeRead(), compute.probeArithmetic(of: .float32))
      if !json {
        show(
          """
          \(compute.instructionSet.rawValue), \(compute.workerCount) threads; limits: \(gigas(read)) GB/s read, \
          \(gigas(flops)) GFLOP/s fp32 multiply-add
          """
        )
        show("attention  cache  step      context  µs a token and layer      ×    GFLOP/s      GB/s   of the limit")
      }
      var results: [AttentionBenchmark.Result] = []
      for shape in AttentionBenchmark.Shape.all {
        for tokens in [1, chunk] {
          for context in try contexts() {
            var exact: Double?
            for type in CacheType.allCases {
              let result = try AttentionBenchmark(compute: compute).measure(
                shape, type, context: context, tokens: tokens)
              results.append(result)
              if exact == nil { exact = result.seconds }
              if !json { show(line(result, gain: (exact ?? 0) / result.seconds, read: read, flops: flops)) }
            }
          }
        }
      }
      let (readAfter, flopsAfter) = (compute.probeRead(), compute.probeArithmetic(of: .float32))
      if json {
        show(
          ([
            "isa": .string(compute.instructionSet.rawValue), "threads": .int(compute.workerCount),
            "read_bytes_per_second": .double(read), "read_bytes_per_second_after": .double(readAfter),
            "multiply_add_flops": .double(flops), "multiply_add_flops_after": .double(flopsAfter),
            "results": .array(results.map { figures($0, read: read, flops: flops) }),
          ] as JSONValue).text(pretty: true))
      } else {
        show("limits after: \(gigas(readAfter)) GB/s read, \(gigas(flopsAfter)) GFLOP/s")
      }
    }
  }

  private func figures(_ result: AttentionBenchmark.Result, read: Double, flops: Double) -> JSONValue {
    [
      "attention": .string(result.shape.name), "cache": .string(result.type.rawValue), "context": .int(result.context),
      "tokens": .int(result.tokens), "seconds_per_token_and_layer": .double(result.seconds / Double(result.tokens)),
      "flops": .double(Double(result.operations) / result.seconds),
      "cache_bytes_per_second": .double(Double(result.cacheBytes) / result.seconds),
      "ratio_to_limit": .double(result.ratio(read: read, flops: flops)),
    ]
  }

  private func line(_ result: AttentionBenchmark.Result, gain: Double, read: Double, flops: Double) -> String {
    let ratio = Figures.decimals(100 * result.ratio(read: read, flops: flops), 0)
    return result.shape.name.padding(to: 11) + result.type.rawValue.padding(to: 7)
      + (result.tokens == 1 ? "decode" : "prefill").padding(to: 8) + right("\(result.context)", 9)
      + right(Figures.decimals(result.seconds * 1e6 / Double(result.tokens), 1), 22)
      + right(Figures.decimals(gain, 2), 7) + right(gigas(Double(result.operations) / result.seconds), 11)
      + right(gigas(Double(result.cacheBytes) / result.seconds), 10) + right("\(ratio) %", 15)
  }
}
