import Answering
import Evaluation

extension EndpointAnswers {
  /// The replies, with a bar of this label that shows how far they have come.
  func replies(_ calls: [ModelCall], showing label: String) async -> [ModelReply] {
    var bar = ProgressBar(label)
    defer { bar.finish() }
    return await replies(calls) { done in bar.show(done, of: calls.count, url) }
  }
}
