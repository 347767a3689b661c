import ArgumentParser
import Benchmarking
import JSON
import Kernels
import Reports

/// `martinet bench gradients`: the kernels of backward passes against the machine's multiply-add rate.
struct BenchGradients: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gradients", abstract: "The kernels of backward passes against the machine's limits.",
    discussion: """
      Products of two matrices that are new in each step, for gradients of weights and of rows, all threads on one; and
      the gradient of causal attention, a head on each thread. The limit is the probe of fp32 multiply-adds; operations
      that attention does for positions a token does not attend are not counted.
      """)

  @OptionGroup var workers: WorkerOptions
  @Option(help: "Kernels to use. (default: the fastest this host has)") var isa: InstructionSet?
  @Flag(help: "One JSON object.") var json = false

  func validate() throws { try isa?.checkIsSupported() }

  func run() throws {
    try workers.run { pool in
      let compute = Compute(pool: pool, instructionSet: isa ?? .best)
      let limit = compute.probeArithmetic(of: .float32)
      if !json {
        show(
          """
          \(compute.instructionSet.rawValue), \(compute.workerCount) threads; limit: \(gigas(limit)) GFLOP/s fp32 \
          multiply-add
          """
        )
        show("gradient                              µs   GFLOP/s   of the limit")
      }
      let benchmark = GradientBenchmark(compute: compute)
      var results: [GradientBenchmark.Result] = []
      func add(_ result: GradientBenchmark.Result) {
        results.append(result)
        if !json { show(line(result, limit: limit)) }
      }
      for shape in GradientBenchmark.Product.all { add(benchmark.measure(shape)) }
      for shape in GradientBenchmark.Attention.all { add(benchmark.measure(shape)) }
      let after = compute.probeArithmetic(of: .float32)
      if json {
        show(
          ([
            "isa": .string(compute.instructionSet.rawValue), "threads": .int(compute.workerCount),
            "multiply_add_flops": .double(limit), "multiply_add_flops_after": .double(after),
            "results": .array(results.map { figures($0, limit: limit) }),
          ] as JSONValue).text(pretty: true))
      } else {
        show("limit after: \(gigas(after)) GFLOP/s")
      }
    }
  }

  private func figures(_ result: GradientBenchmark.Result, limit: Double) -> JSONValue {
    let flops = Double(result.operations) / result.seconds
    return [
      "gradient": .string(result.name), "seconds": .double(result.seconds), "flops": .double(flops),
      "ratio_to_limit": .double(flops / limit),
    ]
  }

  private func line(_ result: GradientBenchmark.Result, limit: Double) -> String {
    let flops = Double(result.operations) / result.seconds
    return result.name.padding(to: 32) + right(Figures.decimals(result.seconds * 1e6, 1), 8) + right(gigas(flops), 10)
      + right("\(Figures.decimals(100 * flops / limit, 0)) %", 15)
  }
}
