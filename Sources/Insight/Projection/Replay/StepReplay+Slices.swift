import ExpertParallelism
import MoEModel
import Telemetry

/// Steps of ranks that share out every matrix: all of them have all rows, compute a part of each stage and complete
/// what the next one reads in an exchange.
extension StepReplay {
  /// Of a message between ranks, before its rows.
  private static let headerBytes = 64.0

  /// One step of so many rows; `layers` stand for all MoE layers.
  func slicedStep(_ layers: [LayerTraffic], _ kind: StepKind, rows count: Int) -> Outcome {
    let (work, size, rows) = (compute.work, layout.rankCount, Double(count))
    let (moeLayers, heads) = (Double(work.moeLayers), Double(work.moduleHeads))
    /// Those of one core take turns, whoever is first.
    let crowd = Double(
      coresOfRank.map { cores in Dictionary(grouping: cores) { $0 }.values.map(\.count).max() ?? 1 } ?? 1)
    var outcome = Outcome()
    var (busiest, mean) = (0.0, 0.0)
    /// What the rank with most to do takes, and the mean one.
    func spend(_ part: WritableKeyPath<Outcome, Double>, times: Double, most: Double, mean own: Double) {
      outcome[keyPath: part] += times * own
      busiest += times * most * crowd
      mean += times * own
    }
    func spend(_ part: WritableKeyPath<Outcome, Double>, times: Double, _ roof: Roofline, _ share: Double) {
      let even = 1 / Double(size)
      spend(
        part, times: times, most: roof.seconds(memory: share, arithmetic: rows * share),
        mean: roof.seconds(memory: even, arithmetic: rows * even))
    }
    let inner = share(.expertInner)
    spend(\.attention, times: Double(work.layers), compute.attention, share(.values))
    spend(\.dense, times: Double(work.layers) - moeLayers, compute.dense, share(.denseInner))
    spend(\.shared, times: moeLayers, compute.shared, inner)
    spend(\.head, times: 1 + heads, compute.outside, share(.logits))
    spend(
      \.head, times: heads, most: projection(share(.attentionOutput), rows: rows),
      mean: projection(1 / Double(size), rows: rows))
    let (router, merge) = (compute.gate.seconds(rows), compute.merge.seconds(rows))
    // Every host has all of it.
    spend(
      \.gate, times: moeLayers, most: router / Double(leastOnHost),
      mean: router * Double(layout.hostCount) / Double(size))
    spend(\.copies, times: moeLayers, most: merge, mean: merge)
    let each = moeLayers / Double(max(layers.count, 1))
    for layer in layers {
      if dividesExperts {
        let (distinct, visits) = (layer.expertsOfAll, Double(layer.visits.reduce(0, +)))
        func seconds(_ share: Double) -> Double {
          compute.experts.seconds(memory: distinct * share, arithmetic: visits * share)
        }
        spend(\.experts, times: each, most: seconds(inner), mean: seconds(1 / Double(size)))
      } else {
        outcome.busiest += layer.busiest
        let seconds = (0..<size).map {
          compute.experts.seconds(memory: layer.experts(of: $0), arithmetic: Double(layer.visits[$0]))
        }
        spend(\.experts, times: each, most: seconds.max() ?? 0, mean: seconds.reduce(0, +) / Double(size))
      }
    }
    var (travelling, copying) = (0.0, 0.0)
    var windows: [Window] = []
    if size > 1 {
      let routes = SliceRoutes(hostOfRank: layout.hostOfRank)
      let ways = self.ways(routes)
      for exchange in compute.work.exchanges where exchange.isWithinHost && mostOnHost > 1 {
        let (host, bytes) = (Double(mostOnHost), rows * exchange.byteCounts(ranks: mostOnHost).all)
        let way = Way(origins: 1, near: mostOnHost - 1)
        travelling += Double(exchange.count) * seconds(way, most: bytes / host, all: bytes)
        copying +=
          Double(exchange.count)
          * compute.slices.seconds(2 * bytes / host * (host - 1) / Double(max(rowBytes.sum, 1)))
      }
      for exchange in exchanges(layers, kind, rows: rows) {
        let took = ways.reduce(0) { $0 + seconds($1, most: exchange.most, all: exchange.all) }
        travelling += exchange.times * took
        windows.append(Window(stage: exchange.stage, times: exchange.times, seconds: took))
        let (bytes, others) = (Double(exchange.all) / Double(size), Double(size - 1))
        // Its own part into a message for each other rank, and theirs out of as many.
        let copies = compute.slices.seconds(2 * bytes * others / Double(max(rowBytes.sum, 1)))
        copying += exchange.times * copies
        for way in ways {
          let sent = bytes * Double(way.origins) + Self.headerBytes
          outcome.bytesBetweenHosts += exchange.times * sent * way.farMessages
        }
        outcome.neededBetweenHosts += exchange.times * bytes * hostPairs
      }
    }
    let looked = Double(max(layers.count, 1))
    let saved = savedByReadingAhead(
      windows, rows: rows, distinct: layers.reduce(0) { $0 + $1.expertsOfAll } / looked,
      visits: Double(layers.reduce(0) { $0 + $1.visits.reduce(0, +) }) / looked)
    for (part, most, own) in saved {
      outcome[keyPath: part] -= own
      busiest -= most
      mean -= own
    }
    outcome.computing = mean + copying
    outcome.waiting = max(0, busiest / crowd - mean)
    outcome.copies += copying
    outcome.communicating += travelling + steering
    outcome.seconds = busiest + copying * crowd + travelling + steering
    return outcome
  }

  /// One stage of an exchange: messages of so many ranks' pieces, to how many ranks of other hosts and of its own the
  /// rank with most of the former sends one, how many leave its host at once, and how many there are between hosts in
  /// all.
  private struct Way {
    var origins = 0
    var far = 0
    var near = 0
    var farOfHost = 0
    var farMessages = 0.0
  }

  private var onHost: [Int: Int] { Dictionary(grouping: layout.hostOfRank) { $0 }.mapValues(\.count) }
  private var mostOnHost: Int { onHost.values.max() ?? 1 }
  var leastOnHost: Int { onHost.values.min() ?? 1 }

  private func ways(_ routes: SliceRoutes) -> [Way] {
    let hosts = layout.hostOfRank
    let (onHost, size) = (onHost, layout.rankCount)
    guard routes.stageCount > 1 else {
      let least = onHost.values.min() ?? 1
      return [
        Way(
          origins: 1, far: size - least, near: (onHost.values.max() ?? 1) - 1,
          farOfHost: onHost.values.map { $0 * (size - $0) }.max() ?? 0,
          farMessages: Double(onHost.values.reduce(0) { $0 + $1 * (size - $1) }))
      ]
    }
    // Of some stages some ranks have more messages than others.
    let stages = (0..<size).map { routes.stages(of: $0) }
    return (0..<routes.stageCount).map { number in
      var (most, out, all) = (Way(), [Int: Int](), 0)
      for rank in 0..<size {
        let stage = stages[rank][number]
        let far = stage.peers.count { hosts[$0.rank] != hosts[rank] }
        most.origins = max(most.origins, stage.origins.count)
        (most.far, most.near) = (max(most.far, far), max(most.near, stage.peers.count - far))
        out[hosts[rank], default: 0] += far
        all += far
      }
      most.farOfHost = out.values.max() ?? 0
      most.farMessages = Double(all)
      return most
    }
  }

  /// Pairs of a rank and another host.
  private var hostPairs: Double { Double(layout.rankCount * (layout.hostCount - 1)) }

  private typealias Exchanged = (stage: RowExchange.Stage, times: Double, all: Double, most: Double)

  /// What travels of so many rows in a step: bytes of all ranks together, and of the rank with most.
  private func exchanges(_ layers: [LayerTraffic], _ kind: StepKind, rows: Double) -> [Exchanged] {
    let size = layout.rankCount
    func plain(_ exchange: RowExchange) -> Exchanged {
      let (bytes, count, stage) = (exchange.byteCounts(ranks: size), Double(exchange.count), exchange.stage)
      switch exchange.stage {
      // A row is some rank's, and each may be another's.
      case .embedding: return (stage, count, rows * bytes.all, max(bytes.all, rows * bytes.all / Double(size)))
      // Of a prompt the last row only.
      case .logits where kind == .prefill: return (stage, count, bytes.all, bytes.most)
      default: return (stage, count, rows * bytes.all, rows * bytes.most)
      }
    }
    let exchanges = compute.work.exchanges.filter { !$0.isWithinHost }
    guard !dividesExperts else { return exchanges.map(plain) }
    var found: [Exchanged] = []
    for exchange in exchanges {
      var rest = exchange
      switch exchange.stage {
      case .expertInner:
        // Of experts that are some rank's, nothing is divided; a shared one's part has an exchange of its own.
        rest.pieces.removeFirst(min(1, rest.pieces.count))
        if !rest.pieces.isEmpty { found.append(plain(rest)) }
      case .expertOutput:
        // Partial outputs go to every rank, with the shared expert's columns.
        if compute.work.shared == 0 { rest.pieces = [] }
        let (shared, rowBytes) = (plain(rest), Double(4 * compute.work.hiddenSize))
        for layer in layers {
          let rows = layer.partials
          found.append(
            (
              exchange.stage, Double(exchange.count) / Double(layers.count),
              shared.all + rowBytes * Double(rows.reduce(0, +)),
              shared.most + rowBytes * Double(rows.max() ?? 0)
            ))
        }
      default: found.append(plain(exchange))
      }
    }
    return found
  }

  /// One stage of an exchange, in which the rank with most has so many bytes, and all ranks together so many: of one
  /// token's embedding they are the same.
  private func seconds(_ way: Way, most: Double, all: Double) -> Double {
    let bytes = Int(min(min(most * Double(way.origins), all) + Self.headerBytes, 1e15))
    let near = way.near > 0 ? network.sameHost.seconds(bytes, messages: way.near, bytesAtOnce: bytes) : 0
    guard way.far > 0 else { return near }
    // A host's ranks share the way out, and in.
    let out = bytes.multipliedReportingOverflow(by: way.farOfHost)
    return max(
      near, network.otherHosts.seconds(bytes, messages: way.far, bytesAtOnce: out.overflow ? .max : out.partialValue))
  }
}
