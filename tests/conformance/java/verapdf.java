import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/**
 * Holds PDFs against veraPDF's profiles.
 *
 * Each line of the standard input is a profile (3a, 3b, ua1), a tab and a path. Each is answered by one line
 * "#verdict", the profile, "pass" or "fail" and the number of assertions looked at, after a line "#finding" for each
 * assertion that failed. Parts of a line are parted by tabs.
 */
public final class Vera {
    private static final int SHOWN = 20;

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Logger.getLogger("").setLevel(Level.OFF);
        VeraGreenfieldFoundryProvider.initialise();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] asked = line.split("\t", 2);
            try {
                answer(out, PDFAFlavour.fromString(asked[0]), asked[0], asked[1]);
            } catch (Exception | StackOverflowError failed) {
                out.println(String.join("\t", "#finding", "could not be read", "", oneLine(failed.toString())));
                out.println(String.join("\t", "#verdict", asked[0], "fail", "0"));
            }
        }
    }

    private static void answer(PrintStream out, PDFAFlavour flavour, String asked, String path) throws Exception {
        if (flavour == PDFAFlavour.NO_FLAVOUR) {
            throw new IllegalArgumentException("no profile of veraPDF: " + asked);
        }
        try (InputStream bytes = new FileInputStream(path);
                PDFAParser parser = Foundries.defaultInstance().createParser(bytes, flavour);
                PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false)) {
            ValidationResult result = validator.validate(parser);
            int shown = 0;
            for (TestAssertion one : result.getTestAssertions()) {
                if (one.getStatus() == TestAssertion.Status.FAILED && shown++ < SHOWN) {
                    String rule = one.getRuleId().getClause() + "-" + one.getRuleId().getTestNumber();
                    String says = one.getErrorMessage() == null ? one.getMessage() : one.getErrorMessage();
                    String where = one.getLocation() == null ? "" : one.getLocation().getContext();
                    out.println(String.join("\t", "#finding", rule, oneLine(where), oneLine(says)));
                }
            }
            String verdict = result.isCompliant() ? "pass" : "fail";
            out.println(String.join("\t", "#verdict", asked, verdict, "" + result.getTotalAssertions()));
        }
    }

    private static String oneLine(String text) {
        return text == null ? "" : text.replaceAll("\\s+", " ");
    }
}
