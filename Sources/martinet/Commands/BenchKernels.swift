import ArgumentParser
import Fabric
import Inference
import JSON
import Kernels

/// `martinet bench kernels`: the matrix kernels against the machine's read bandwidth and multiply-add rate.
struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "The matrix kernels against the machine's limits.",
    discussion: """
      For each weight format and number of input rows: time, GB/s of weights, GFLOP/s, and the ratio to the limit that
      binds: the greater of weight bytes over the read probe and operations over the multiply-add probe.
      """)

  @Option(parsing: .unconditional, help: "Output rows of the matrix.") var rows = 2048
  @Option(parsing: .unconditional, help: "Columns of the matrix.") var columns = 2048
  @Option(help: ArgumentHelp("Numbers of input rows.", valueName: "1,4,…")) var batch = "1,4,16,64,256"
  @Option(parsing: .unconditional, help: "Worker threads.") var threads: Int?
  @Option(help: "Kernels to use. (default: the fastest this host has)") var isa: InstructionSet?
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    guard (1...65536).contains(rows), (2...65536).contains(columns), columns % 2 == 0 else {
      throw ValidationError("--rows must be between 1 and 65536, --columns even and between 2 and 65536")
    }
    guard !(try batches()).isEmpty else { throw ValidationError("--batch names no number") }
  }

  private func batches() throws -> [Int] {
    let sizes = try InputText.ids(batch)
    guard sizes.allSatisfy({ (1...4096).contains($0) }) else { throw ValidationError("--batch \(batch): between 1 and 4096 each") }
    return sizes
  }

  func run() throws {
    try withRanks { communicator in
      let host = try HostPlan.make(on: communicator, threadsPerRank: threads)
      let pool = try agree(on: communicator) { try host.makePool() }
      guard communicator.isRoot else { return }
      let compute = Compute(pool: pool, instructionSet: isa ?? .best)
      let (read, flops) = (compute.probeRead(), compute.probeMultiplyAdd())
      var results: [KernelBenchmark.Result] = []
      if !json {
        show("\(compute.instructionSet.rawValue), \(compute.workerCount) threads; limits: \(gigas(read)) GB/s read, \(gigas(flops)) GFLOP/s fp32 multiply-add")
        show("format    rows        µs      GB/s   GFLOP/s   of the limit")
      }
      for format in WeightFormat.allCases {
        for count in try batches() {
          let result = KernelBenchmark(compute: compute, rows: rows, columns: columns).measure(format, inputRows: count)
          results.append(result)
          if !json { show(line(result, read: read, flops: flops)) }
        }
      }
      let (readAfter, flopsAfter) = (compute.probeRead(), compute.probeMultiplyAdd())
      if json {
        show(
          ([
            "isa": .string(compute.instructionSet.rawValue), "threads": .int(compute.workerCount),
            "read_bytes_per_second": .double(read), "read_bytes_per_second_after": .double(readAfter),
            "multiply_add_flops": .double(flops), "multiply_add_flops_after": .double(flopsAfter), "rows": .int(rows), "columns": .int(columns),
            "results": .array(
              results.map {
                [
                  "format": .string($0.format.rawValue), "input_rows": .int($0.inputRows), "seconds": .double($0.seconds),
                  "weight_bytes_per_second": .double(Double($0.weightBytes) / $0.seconds),
                  "flops": .double(Double($0.operations) / $0.seconds),
                  "ratio_to_limit": .double($0.ratio(read: read, flops: flops)),
                ] as JSONValue
              }),
          ] as JSONValue).text(pretty: true))
      } else {
        show("limits after: \(gigas(readAfter)) GB/s read, \(gigas(flopsAfter)) GFLOP/s")
      }
    }
  }

  private func gigas(_ value: Double) -> String { Figures.decimals(value / 1e9, 1) }

  private func line(_ result: KernelBenchmark.Result, read: Double, flops: Double) -> String {
    func right(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
    let ratio = Figures.decimals(100 * result.ratio(read: read, flops: flops), 0)
    return result.format.rawValue.padding(to: 8) + right("\(result.inputRows)", 6)
      + right(Figures.decimals(result.seconds * 1e6, 1), 10)
      + right(gigas(Double(result.weightBytes) / result.seconds), 10)
      + right(gigas(Double(result.operations) / result.seconds), 10) + right("\(ratio) %", 15)
  }
}
