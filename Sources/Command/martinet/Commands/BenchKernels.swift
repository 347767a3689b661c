import ArgumentParser
import Benchmarking
import JSON
import Kernels
import Reports

/// `martinet bench kernels`: the matrix kernels against the machine's read bandwidth and multiply-add rate.
struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "The matrix kernels against the machine's limits.",
    discussion: """
      For each weight format, what rows are rounded to, and number of rows: time, GB/s of weights, Gop/s, and the
      ratio to the limit that binds: the greater of weight bytes over the read probe and operations over the probe of
      the rows' arithmetic.
      """)

  @Option(parsing: .unconditional, help: "Output rows of the matrix.") var rows = 2048
  @Option(parsing: .unconditional, help: "Columns of the matrix.") var columns = 2048
  @Option(help: ArgumentHelp("Numbers of input rows.", valueName: "1,4,…")) var batch = "1,4,16,64,256"
  @OptionGroup var workers: WorkerOptions
  @Option(help: "Kernels to use. (default: the fastest this host has)") var isa: InstructionSet?
  @Flag(help: "Only the machine's limits.") var probesOnly = false
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    try isa?.checkIsSupported()
    guard (1...65536).contains(rows), (2...65536).contains(columns), columns % 2 == 0 else {
      throw ValidationError("--rows must be between 1 and 65536, --columns even and between 2 and 65536")
    }
    _ = try batches()
  }

  private func batches() throws -> [Int] { try numbers("batch", batch, in: 1...4096) }

  func run() throws {
    try workers.run { pool in
      let compute = Compute(pool: pool, instructionSet: isa ?? .best)
      let limits = KernelBenchmark.Limits(compute)
      if !json { show("\(compute.instructionSet.rawValue), \(compute.workerCount) threads; limits: \(words(limits))") }
      if !json { show("on this processor \(compute.instructionSet.preference)") }
      if probesOnly {
        if json { show(figures(limits, of: compute).text(pretty: true)) }
        return
      }
      if !json { show("weights   rows of  rows        µs      GB/s     Gop/s   of the limit") }
      var results: [KernelBenchmark.Result] = []
      for (format, rowFormat) in KernelBenchmark.products {
        for count in try batches() {
          let result = KernelBenchmark(compute: compute, rows: rows, columns: columns)
            .measure(format, rowFormat: rowFormat, inputRows: count)
          results.append(result)
          if !json { show(line(result, limits)) }
        }
      }
      let peers = try openBLAS(beside: results, threads: compute.workerCount)
      if !json { showPeers(peers) }
      let after = KernelBenchmark.Limits(compute)
      if json {
        show(
          ([
            "before": figures(limits, of: compute), "after": figures(after, of: compute), "rows": .int(rows),
            "columns": .int(columns), "results": .array(results.map { figures($0, limits) }),
            "openblas": peers.map { .array($0.map(figures)) } ?? .null,
          ] as JSONValue).text(pretty: true))
      } else {
        show("limits after: \(words(after))")
      }
    }
  }

  /// OpenBLAS's time for a number of rows, and ours for fp32 weights.
  private struct Peer {
    let inputRows: Int
    let seconds: Double
    let ours: Double
  }

  /// Nil where OpenBLAS is not installed.
  private func openBLAS(beside results: [KernelBenchmark.Result], threads: Int) throws -> [Peer]? {
    guard let library = OpenBLASBenchmark(threads: threads) else { return nil }
    return results.filter { $0.format == .float32 }.map { result in
      Peer(
        inputRows: result.inputRows,
        seconds: library.seconds(rows: rows, columns: columns, inputRows: result.inputRows), ours: result.seconds)
    }
  }

  private func showPeers(_ peers: [Peer]?) {
    guard let peers else {
      show("OpenBLAS: not installed")
      return
    }
    for peer in peers {
      let operations = 2 * Double(peer.inputRows * rows * columns)
      show(
        "OpenBLAS sgemm, \(peer.inputRows) rows: \(Figures.decimals(peer.seconds * 1e6, 1)) µs, "
          + "\(gigas(operations / peer.seconds)) Gop/s; f32 here takes "
          + "\(Figures.decimals(peer.ours / peer.seconds, 2)) times as long")
    }
  }

  private func figures(_ peer: Peer) -> JSONValue {
    [
      "input_rows": .int(peer.inputRows), "seconds": .double(peer.seconds),
      "operations_per_second": .double(2 * Double(peer.inputRows * rows * columns) / peer.seconds),
      "float32_time_over_openblas": .double(peer.ours / peer.seconds),
    ]
  }

  private func words(_ limits: KernelBenchmark.Limits) -> String {
    let arithmetic = RowFormat.allCases.map { "\($0.rawValue) \(gigas(limits.arithmetic(of: $0)))" }.joined(
      separator: ", ")
    return "\(gigas(limits.read)) GB/s read, Gop/s \(arithmetic)"
  }

  private func figures(_ limits: KernelBenchmark.Limits, of compute: Compute) -> JSONValue {
    [
      "isa": .string(compute.instructionSet.rawValue), "threads": .int(compute.workerCount),
      "read_bytes_per_second": .double(limits.read),
      "float32_operations_per_second": .double(limits.arithmetic(of: .float32)),
      "bfloat16_operations_per_second": .double(limits.arithmetic(of: .bfloat16)),
      "int8_operations_per_second": .double(limits.arithmetic(of: .int8)),
    ]
  }

  private func figures(_ result: KernelBenchmark.Result, _ limits: KernelBenchmark.Limits) -> JSONValue {
    [
      "format": .string(result.format.name), "row_format": .string(result.rowFormat.rawValue),
      "input_rows": .int(result.inputRows), "seconds": .double(result.seconds),
      "weight_bytes_per_second": .double(Double(result.weightBytes) / result.seconds),
      "operations_per_second": .double(Double(result.operations) / result.seconds),
      "ratio_to_limit": .double(result.ratio(limits)),
    ]
  }

  private func line(_ result: KernelBenchmark.Result, _ limits: KernelBenchmark.Limits) -> String {
    let ratio = Figures.decimals(100 * result.ratio(limits), 0)
    return result.format.name.padding(to: 10) + result.rowFormat.rawValue.padding(to: 7)
      + right("\(result.inputRows)", 6)
      + right(Figures.decimals(result.seconds * 1e6, 1), 10)
      + right(gigas(Double(result.weightBytes) / result.seconds), 10)
      + right(gigas(Double(result.operations) / result.seconds), 10) + right("\(ratio) %", 15)
  }
}
