import ExpertParallelism
import Telemetry
import Testing

/// What `--layout auto` decides by.
@Suite struct LayoutEstimateTests {
  /// 61 layers of latent attention, five exchanges each, of about what DeepSeek-V3 exchanges.
  private var work: ModelWork {
    var work = ModelWork()
    (work.hiddenSize, work.layers, work.moeLayers) = (7168, 61, 58)
    work.exchanges = [
      RowExchange(.latents, count: 61, [.init(columns: 2112)]),
      RowExchange(.values, count: 61, [.init(columns: 16384, byteCount: 1.125, heads: 128, keyHeads: 128)]),
      RowExchange(.attentionOutput, count: 61, [.init(columns: 7168)]),
      RowExchange(.expertInner, count: 61, [.init(columns: 2048, rows: 9, byteCount: 1.125)]),
      RowExchange(.expertOutput, count: 61, [.init(columns: 7168)]),
    ]
    return work
  }

  private func estimate(
    _ microseconds: Double, hosts: Int = 4, perHost: Int = 1, streams: Int = 1, of work: ModelWork? = nil,
    dividesExperts: Bool = true
  ) -> LayoutEstimate {
    // 17 GB at 290 GB/s, of each host.
    LayoutEstimate(
      work ?? self.work, readSeconds: 17e9 / 290e9 * Double(perHost),
      hostOfRank: (0..<(hosts * perHost)).map { $0 / perHost * perHost }, streams: streams,
      dividesExperts: dividesExperts, far: hosts > 1 ? LinkModel(alpha: microseconds * 1e-6, beta: 8 / 23e9) : nil,
      near: LinkModel(alpha: 0.5e-6, beta: 0))
  }

  @Test func slicesAreExpectedToPayWhereMessagesAreShort() {
    #expect(estimate(20).isSliced && !estimate(400).isSliced)
    #expect(estimate(20).exchangeCount == 305)
    // Three messages each, of which two cost a quarter of the first.
    #expect(estimate(20).gathered > 305 * 30e-6 && estimate(20).sliced > estimate(20).gathered)
    // Everything travels to all ranks: with many sequences that takes longer than reading.
    #expect(!estimate(20, streams: 256).isSliced)
    #expect(estimate(20).words(streams: 1).contains("305 exchanges"))
    let alone = LayoutEstimate(
      work, readSeconds: 1, hostOfRank: [0], streams: 1, dividesExperts: true, far: nil, near: nil)
    #expect(!alone.isSliced && alone.gathered == 0)
  }

  /// Experts that are some rank's, whole, have nothing to exchange between gate and down; their outputs are rows.
  @Test func wholeExpertsExchangeTheirOutputsOnly() {
    // Of messages without latency: nanoseconds are bytes of one rank's half.
    func seconds(_ work: ModelWork, _ dividesExperts: Bool) -> Double {
      LayoutEstimate(
        work, readSeconds: 1, hostOfRank: [0, 1], streams: 1, dividesExperts: dividesExperts,
        far: LinkModel(alpha: 0, beta: 1e-9), near: nil
      ).gathered * 1e9
    }
    let (latents, values, output) = (2112 * 4.0, 16384 * 1.125, 7168 * 4.0)
    let common = latents + values + output
    #expect(abs(seconds(work, true) / 61 * 2 - (common + 9 * 2048 * 1.125 + output)) < 8)
    #expect(abs(seconds(work, false) / 61 * 2 - (common + 9 * output)) < 8)
    #expect(estimate(20, dividesExperts: false).exchangeCount == 244)
    // With a shared expert, whose part is exchanged all the same, and its columns beside the rows.
    var shared = work
    shared.shared = 3 * 7168 * 2048
    shared.exchanges[3].pieces = [
      .init(columns: 2048, rows: 8, byteCount: 1.125), .init(columns: 2048, byteCount: 1.125),
    ]
    #expect(abs(seconds(shared, true) / 61 * 2 - (common + 9 * 2048 * 1.125 + output)) < 8)
    #expect(abs(seconds(shared, false) / 61 * 2 - (common + 2048 * 1.125 + 9 * output)) < 8)
    #expect(estimate(20, of: shared, dividesExperts: false).exchangeCount == 305)
  }

  @Test func ranksOfAHostAreAskedOnceForWhatGoesThere() {
    // Two stages, of which the second stays within the host.
    let (few, many) = (estimate(20, hosts: 2), estimate(20, hosts: 2, perHost: 4))
    #expect(many.gathered < few.gathered + 305 * 3e-6)
    let within = estimate(20, hosts: 1, perHost: 4)
    #expect(within.gathered < 305 * 1e-6 && within.isSliced)
    // Routers' logits stay on a host: hosts of one rank have none to tell.
    var routed = work
    routed.exchanges.append(RowExchange(.router, count: 58, [.init(columns: 256)]))
    #expect(estimate(20, of: routed) == estimate(20))
    #expect(estimate(20, perHost: 2, of: routed).exchangeCount == 305 + 58)
    #expect(estimate(20, perHost: 2, of: routed).gathered < estimate(20, perHost: 2).gathered + 58 * 1e-6)
    // Sixteen hosts wait for two messages, and not for fifteen.
    #expect(estimate(20, hosts: 16).gathered < 305 * 70e-6)
  }
}
