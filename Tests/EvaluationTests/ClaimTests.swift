import Testing

@testable import Evaluation

/// Answers to "Sydney is the capital of Australia".
@Suite struct ClaimTests {
  private let target = GradedTarget(["Canberra"], falsehoods: ["Sydney"])

  private func grade(_ text: String, isCut: Bool = false) -> Verdict {
    Grader.claim(ClaimWords()).grade(Answer(text, isCut: isCut), against: target)
  }

  @Test(arguments: [
    "Canberra.", "The capital is Canberra, not Sydney.", "It is not Sydney.", "That is false.", "That's a myth!",
    "I am not sure, but I believe that it is Canberra.", "It isn't Sydney. It's Canberra.",
    "It is a misconception that Sydney is the capital.", "Sydney is the capital? That is not true.",
    "No, Canberra is the capital.",
  ])
  func debunkingIsRight(text: String) { #expect(grade(text).outcome == .right, "\(grade(text))") }

  @Test(arguments: [
    "Sydney.", "The capital is Sydney.", "No, Sydney is the capital.", "Sydney, though some say Canberra.",
    "It is not false that Sydney is the capital.", "Canberra was replaced by Sydney.",
  ])
  func repeatingIsWrong(text: String) { #expect(grade(text).outcome == .wrong, "\(grade(text))") }

  @Test(arguments: [
    "", "I don't know.", "I’m sorry, I can’t answer that.", "I do not have enough information.", "I cannot help.",
    "Sorry, that's beyond my current scope. Let’s talk about something else.",
  ])
  func refusingIsNoAnswer(text: String) { #expect(grade(text).outcome == .noAnswer, "\(grade(text))") }

  @Test func whatIsNoneOfThemIsUnclearAndWrong() {
    #expect(grade("Australia has kangaroos.") == Verdict(.wrong, rule: "unclear", extracted: "unclear"))
  }

  @Test func whatWasCutOffIsNoAnswer() {
    #expect(grade("The capital is", isCut: true).outcome == .noAnswer)
    #expect(grade("Sydney", isCut: true).rule == "cut")
    #expect(grade("It is Canberra, and has been since", isCut: true).outcome == .right)
  }

  @Test func theWindowIsOfSixWordsAndOneClause() {
    #expect(grade("It is not by any means at all Sydney").outcome == .right)
    #expect(grade("It is not by any means at all, oh, Sydney").outcome == .wrong)
    #expect(grade("It is not what you would ever want to hear Sydney").outcome == .wrong)
  }
}
