import Inference
import JSON
import MoEModel
import Reports
import Telemetry

/// The median of several runs of `bench generate`, in words and as JSON.
package struct GenerateBenchmark {
  package struct Case {
    package var batch: Int
    package var promptLength: Int
    package var outputLength: Int

    package init(batch: Int, promptLength: Int, outputLength: Int) {
      (self.batch, self.promptLength, self.outputLength) = (batch, promptLength, outputLength)
    }
  }

  let runs: [LoopStatistics]
  /// As many runs in turn with these in which no accounts were kept; or none.
  let unaccounted: [LoopStatistics]
  let ranks: Int
  let threads: Int
  let benchmark: Case
  let inventory: ModelInventory
  /// Bytes per second all ranks together read, before the runs and after them.
  let readBefore: Double
  let readAfter: Double
  let isa: String

  package init(
    runs: [LoopStatistics], unaccounted: [LoopStatistics], ranks: Int, threads: Int, benchmark: Case,
    inventory: ModelInventory, readBefore: Double, readAfter: Double, isa: String
  ) {
    (self.runs, self.unaccounted, self.benchmark, self.inventory) = (runs, unaccounted, benchmark, inventory)
    (self.ranks, self.threads, self.isa) = (ranks, threads, isa)
    (self.readBefore, self.readAfter) = (readBefore, readAfter)
  }

  private func median(_ value: (LoopStatistics) -> Double) -> Double {
    runs.map(value).median ?? 0
  }

  /// Bytes of weights per second that the decode steps of a run read.
  private func decodeRead(_ run: LoopStatistics) -> Double {
    let seconds = run.decode.time / .seconds(1)
    guard seconds > 0 else { return 0 }
    let bytes =
      Double(run.decode.activeRanks) * Double(inventory.withoutExperts.heldBytes)
      + Double(run.decode.expertsVisited) * Double(inventory.oneExpert.heldBytes)
    return bytes / seconds
  }

  /// Of all runs together.
  private var speculation: SpeculationStatistics { runs.reduce(SpeculationStatistics()) { $0 + $1.speculation } }

  private var limit: Double { (readBefore + readAfter) / 2 }

  package var lines: [String] {
    func number(_ value: Double, _ places: Int = 1) -> String { Figures.decimals(value, places) }
    let read = median(decodeRead)
    func line(_ name: String, _ pick: (LoopStatistics) -> LoopStatistics.Totals) -> String {
      var text =
        """
        \(name) \(number(median { pick($0).tokensPerSecond })) tokens/s; \
        \(number(100 * median { pick($0).communicationShare })) % communication
        """
      if ranks > 1, inventory.oneExpert.parameters > 0 {
        text +=
          """
          ; busiest rank \(number(median { pick($0).busiest.visits }, 2)) × visits, \
          \(number(median { pick($0).busiest.experts }, 2)) × experts
          """
      }
      return text
    }
    var lines = [
      """
      \(ranks) rank\(ranks == 1 ? "" : "s") × \(threads) threads (\(isa)), \(benchmark.batch) × \
      (\(benchmark.promptLength) + \(benchmark.outputLength)) tokens, median of \(runs.count)
      """,
      line("prefill ", \.prefill), line("decode  ", \.decode),
      """
      decode reads \(number(read / 1e9, 2)) GB/s of weights: \(number(100 * read / max(limit, 1))) % of this \
      machine's read bandwidth (\(number(readBefore / 1e9)) GB/s before, \(number(readAfter / 1e9)) after)
      """,
    ]
    if !speculation.isEmpty { lines.append("speculation: \(speculation.summary)") }
    guard !unaccounted.isEmpty else { return lines }
    return lines + [
      """
      keeping accounts costs \(number(100 * accountingCost(\.prefill), 2)) % of prefill and \
      \(number(100 * accountingCost(\.decode), 2)) % of decode (median of \(runs.count) pairs of runs)
      """
    ]
  }

  /// Time with accounts over the time without, less 1; the median of all pairs of runs.
  private func accountingCost(_ pick: (LoopStatistics) -> LoopStatistics.Totals) -> Double {
    zip(runs, unaccounted).map { pick($0).time / pick($1).time - 1 }.median ?? 0
  }

  package var json: JSONValue {
    func totals(_ pick: (LoopStatistics) -> LoopStatistics.Totals) -> JSONValue {
      [
        "tokens_per_second": .double(median { pick($0).tokensPerSecond }),
        "tokens_per_second_runs": .array(runs.map { .double(pick($0).tokensPerSecond) }),
        "busiest_rank_visits": .double(median { pick($0).busiest.visits }),
        "busiest_rank_experts": .double(median { pick($0).busiest.experts }),
        "steps": .int(runs.first.map { pick($0).steps } ?? 0), "tokens": .int(runs.first.map { pick($0).tokens } ?? 0),
        "communication_share": .double(median { pick($0).communicationShare }),
        "bytes_sent": .int(runs.first.map { pick($0).bytesSent } ?? 0),
        "messages_sent": .int(runs.first.map { pick($0).messagesSent } ?? 0),
      ]
    }
    let read = median(decodeRead)
    return [
      "ranks": .int(ranks), "threads_per_rank": .int(threads), "isa": .string(isa), "batch": .int(benchmark.batch),
      "prompt_length": .int(benchmark.promptLength), "output_length": .int(benchmark.outputLength),
      "repetitions": .int(runs.count),
      "prefill": totals(\.prefill), "decode": totals(\.decode),
      "decode_weight_bytes_per_second": .double(read), "read_bytes_per_second_before": .double(readBefore),
      "read_bytes_per_second_after": .double(readAfter),
      "decode_share_of_read_bandwidth": .double(read / max(limit, 1)),
      "speculation": speculation.isEmpty ? .null : speculation.json,
      "accounting_cost": unaccounted.isEmpty
        ? .null : ["prefill": .double(accountingCost(\.prefill)), "decode": .double(accountingCost(\.decode))],
    ]
  }
}
