import JSON
import Telemetry
import Testing

@Suite struct LinkModelTests {
  private func samples(_ sizes: [Int], _ seconds: (Int) -> Double) -> [LinkSample] {
    sizes.map { LinkSample(link: .otherHosts, messageBytes: $0, seconds: seconds($0)) }
  }
  private let sizes = [64, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20]

  @Test func aLineIsFoundExactly() throws {
    let model = try #require(LinkModel(samples(sizes) { 20e-6 + Double($0) * 1e-9 }))
    #expect(model.pieces.count == 1)
    #expect(abs(model.pieces[0].alpha / 20e-6 - 1) < 1e-6 && abs(model.pieces[0].beta / 1e-9 - 1) < 1e-6)
    #expect(model.worstResidual < 1e-6 && model.exchangeResidual == nil)
  }

  @Test func aChangeOfProtocolBecomesAPieceOfItsOwn() throws {
    let model = try #require(
      LinkModel(samples(sizes) { $0 < 4096 ? 5e-6 + Double($0) * 1e-9 : 60e-6 + Double($0) * 4e-10 }))
    #expect(model.pieces.count == 2 && model.pieces[1].fromBytes == 4096)
    #expect(model.worstResidual < 1e-6)
    #expect(abs(model.seconds(1 << 20) - (60e-6 + Double(1 << 20) * 4e-10)) < 1e-9)
  }

  @Test func exchangesGiveTheCostOfFurtherMessagesAndSharedBytes() throws {
    var all = samples(sizes) { 20e-6 + Double($0) * 1e-9 }
    for bytes in sizes {
      for messages in [2, 3, 6] {
        let sum = 2 * messages * bytes
        all.append(
          LinkSample(
            link: .otherHosts, messageBytes: bytes, messagesAtOnce: messages, bytesAtOnce: sum,
            seconds: 20e-6 + Double(bytes) * 1e-9 + Double(messages - 1) * 3e-6 + Double(sum - bytes) * 2e-9,
            isPingPong: false))
      }
    }
    let model = try #require(LinkModel(all))
    #expect(abs(model.perMessage / 3e-6 - 1) < 1e-6 && abs(model.perSharedByte / 2e-9 - 1) < 1e-6)
    #expect(try #require(model.exchangeResidual) < 1e-6)
    #expect(LinkModel([]) == nil)
  }

  @Test func coefficientsAreNeverNegative() {
    // A falling line: the best without a negative slope is a constant.
    let fit = LeastSquares(features: [[1, 1], [1, 2], [1, 3]], times: [3, 2, 1])
    #expect(fit.coefficients[1] == 0 && fit.coefficients[0] > 1 && fit.coefficients[0] < 3)
    let dependent = LeastSquares(features: [[1, 2], [2, 4], [3, 6]], times: [1, 2, 3])
    #expect(dependent.worst < 1e-9)
    #expect(LeastSquares(features: [], times: []).coefficients.isEmpty)
  }

  @Test func samplesReadBackAsTheyWereWritten() throws {
    for sample in [
      LinkSample(link: .sameNode, messageBytes: 64, seconds: 2.5e-7),
      LinkSample(
        link: .otherHosts, messageBytes: 1024, messagesAtOnce: 3, bytesAtOnce: 6144, seconds: 1e-3, isPingPong: false),
    ] { #expect(try LinkSample(json: sample.json) == sample) }
    #expect(throws: MalformedAccount.self) { try LinkSample(json: ["link": "moon", "seconds": .double(1)]) }
  }
}
